"""The web app: a folder of photos, worked on in the browser; nothing that was answered is lost.

Owns the HTTP routes, their guards, and the journal of what was done. It computes nothing itself:
`inference` does. Paths never come in by requests, printing is left to the command line.
Start reading at `server.py`, the routes; `document.py` is what they talk about, `session.py` one
photo at work, `journal.py` what is kept.
"""

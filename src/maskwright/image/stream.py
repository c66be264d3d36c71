"""Files as decoders and encoders see them: in memory or on disk, binary, able to go back."""

from io import BufferedReader, BufferedWriter, BytesIO

Readable = BytesIO | BufferedReader
Writable = BytesIO | BufferedWriter

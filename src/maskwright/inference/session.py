"""A person at work on one photo: several objects, and for each what came before and after."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from maskwright.data.reference import unknown_map
from maskwright.errors import UsageError
from maskwright.image.io import PhotoSource
from maskwright.inference.click import Answer, Clicker
from maskwright.inference.features import ImageFeatures
from maskwright.structures.box import Box
from maskwright.structures.click import Click
from maskwright.structures.scribble import Scribble


@dataclass
class History:
    """The answers about one object; their masks are dropped, only the newest one's is kept.

    Attributes:
        past: All answers that hold, the newest last; the first one knows nothing.
        undone: Those that were undone, the last one undone last.
    """

    past: list[Answer]
    undone: list[Answer] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Add an answer; what was undone is forgotten."""
        self.past[-1] = replace(self.past[-1])
        self.past.append(answer)
        self.undone.clear()


class Session:
    """Answers about the objects of one photo, with undo and redo.

    Args:
        clicker: What answers.
        features: Of the photo.

    Raises:
        FeaturesError: If the features were made with other weights.
    """

    def __init__(self, clicker: Clicker, features: ImageFeatures) -> None:
        features.check_weights(clicker.weights)
        self.clicker, self.features = clicker, features
        scale = features.scale
        self._nothing = Answer(features.image, scale, unknown_map(scale.padded))
        self._objects: dict[int, History] = {}

    def answer(self, number: int) -> Answer:
        """Return the answer that holds about an object; empty if nothing was clicked."""
        history = self._objects.get(number)
        return history.past[-1] if history else self._nothing

    def is_untouched(self, number: int) -> bool:
        """Say whether nothing has been said about an object, or all of it taken back."""
        answer = self.answer(number)
        return answer.margin is None and answer.given is None

    def add(
        self,
        number: int,
        clicks: Sequence[Click] = (),
        *,
        box: Box | None = None,
        scribbles: Sequence[Scribble] = (),
    ) -> Answer:
        """Return the answer to what is new about an object.

        Raises:
            UsageError: If there is nothing new, or it lies outside the photo.
        """
        previous = self.answer(number)
        answer = self.clicker.answer(self.features, clicks, previous, box=box, scribbles=scribbles)
        return self._add(number, answer)

    def start(self, number: int, mask: PhotoSource) -> Answer:
        """Return a mask from elsewhere, which an object begins with anew.

        Raises:
            TrimapError: If it has another size than the photo, or is no mask.
            ImageError: If it cannot be read.
        """
        return self._add(number, self.clicker.start(self.features, mask))

    def reset(self, number: int) -> Answer:
        """Begin an object anew; this can be undone."""
        return self._add(number, self._nothing)

    def undo(self, number: int) -> Answer:
        """Return the answer before the last one.

        Raises:
            UsageError: If there is none.
        """
        history = self._objects.get(number)
        if history is None or len(history.past) == 1:
            raise UsageError(f"there is nothing to undo about object {number}; click first")
        history.undone.append(replace(history.past.pop()))
        return history.past[-1]

    def redo(self, number: int) -> Answer:
        """Return the answer that was undone last.

        Raises:
            UsageError: If there is none.
        """
        history = self._objects.get(number)
        if history is None or not history.undone:
            raise UsageError(f"there is nothing to redo about object {number}; undo first")
        history.past[-1] = replace(history.past[-1])
        history.past.append(history.undone.pop())
        return history.past[-1]

    def _add(self, number: int, answer: Answer) -> Answer:
        self._objects.setdefault(number, History([self._nothing])).add(answer)
        return answer

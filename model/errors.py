"""The root of cskt's errors.

    CsktError                 anything a user can cause; its text says what, where and what to do
    ├── ConfigError           a recipe or configuration that cannot be used
    ├── CheckpointError       an encoder that is missing, damaged or does not fit
    ├── TrainingError         a run that cannot go on
    ├── DatasetError          annotations or images that cannot be read as a data set
    └── GalleryError          (indexer.errors) a gallery or a source of images

The command line prints the text of a CsktError as one sentence and exits with 2.
Misuse by a programmer raises ValueError or TypeError instead.
"""


class CsktError(Exception):
    """Something the user can mend; the message names what, where and the remedy."""


class ConfigError(CsktError):
    """A recipe or configuration file that cannot be used."""


class CheckpointError(CsktError):
    """An encoder that is missing, damaged, or does not fit what it is loaded into."""


class DatasetError(CsktError):
    """Annotations or images that cannot be read as a data set."""


class TrainingError(CsktError):
    """A training run that cannot go on, such as one whose loss is no longer a number."""

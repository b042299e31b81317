"""Stand-in for the exceptions of tf2: why a transform could not be given."""


class TransformException(Exception):
    """Base class of all of them."""


class LookupException(TransformException):
    """A frame does not exist."""


class ConnectivityException(TransformException):
    """Two frames are not in the same tree."""


class ExtrapolationException(TransformException):
    """The time asked for lies outside the data."""


class InvalidArgumentException(TransformException):
    """An argument is malformed, for example an empty frame name."""


class TimeoutException(TransformException):
    """The transform did not come in time."""

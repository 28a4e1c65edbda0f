"""The groups of samples: which labels there are, in which order, and where each sample belongs.

Labels are plain values of Python: numbers, texts, dates and times, `Level`, and tuples of those
where there are several keys. What has no label is the one group `MISSING`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "(missing)"
EPOCH = dt.date(1970, 1, 1).toordinal()
ATTO = 10**18  # of a second: NumPy's finest unit of time
UNITS = {  # in attoseconds; years and months are those of an average year, as NumPy has it
    **{unit: 1000**k for k, unit in enumerate(["as", "fs", "ps", "ns", "us", "ms", "s"])},
    **{"m": 60 * ATTO, "h": 3600 * ATTO, "D": 86_400 * ATTO, "W": 604_800 * ATTO},
    **{"M": 2_629_746 * ATTO, "Y": 31_556_952 * ATTO, "generic": ATTO // 10**6},
}
MAX_DIGITS = 1000  # of an integer that a Decimal is the label of
MAX_SPREAD = 1 << 20  # integers in a range up to this are counted, not sorted
FEW = 1 << 12

NUMBERS = {int, float, bool}
PLAIN = {*NUMBERS, str, bytes, dt.date, dt.timedelta, type(None)}  # where equal is the same

Labels = list[Any]
Key = tuple[Labels, "NDArray[np.intp]"]  # the labels that occur, and each sample's place among them


class Level(str):
    """The label of an ordered category or of a bin: a text, with its rank among the others.

    Examples
    --------
    >>> from fastloss.scoring.groups import Level, sort_key
    >>> sorted([Level("(5, 10]", 1), Level("(10, 15]", 2), Level("(0, 5]", 0)], key=sort_key)
    ['(0, 5]', '(5, 10]', '(10, 15]']
    """

    __slots__ = ("rank",)
    rank: float

    def __new__(cls, text: str, rank: float) -> Level:
        level = super().__new__(cls, text)
        level.rank = rank
        return level

    def __getnewargs__(self) -> tuple[str, float]:  # type: ignore[override]
        return str.__str__(self), self.rank


class Numeral(Level):
    """The label of a number that is known by how it is written; its rank is the number."""

    __slots__ = ()


class Moment(Level):
    """The label of a time that datetime cannot hold; its rank are attoseconds since 1970."""

    __slots__ = ()


class Span(Level):
    """The label of a duration that timedelta cannot hold; its rank are attoseconds."""

    __slots__ = ()


@dataclass(frozen=True)
class Groups:
    """The group of each sample: ``categories[codes[i]]``; a code below 0 is a missing one."""

    codes: NDArray[np.integer[Any]]
    categories: Sequence[Hashable]
    names: tuple[str, ...] = ()  # of the columns of keys


@dataclass(frozen=True)
class Found(Groups):
    """What `codes_of` found: every label occurs, and once, so that it need not look again."""

    @classmethod
    def of(cls, columns: Mapping[str, Any], shape: tuple[int, ...]) -> Found:
        """The groups by columns of keys, which have names."""
        labels, codes = codes_of(columns, shape)
        return cls(codes, labels, tuple(columns))


PLACES: dict[type, int] = {Numeral: 0, Moment: 1, Span: 2}  # among the kinds of `sort_key`


def sort_key(label: Hashable) -> tuple[int, Any]:
    """What to sort labels by: numbers, times, durations, levels by rank, texts, missing ones.

    Examples
    --------
    >>> from fastloss.scoring.groups import MISSING, sort_key
    >>> sorted([MISSING, "b", 10, "a", 2.5], key=sort_key)
    [2.5, 10, 'a', 'b', '(missing)']
    """
    if isinstance(label, tuple):
        return 6, tuple(map(sort_key, label))
    if isinstance(label, Level):
        return PLACES.get(type(label), 3), (label.rank, str.__str__(label))
    if isinstance(label, str):
        return (7, "") if label == MISSING else (4, label)
    if isinstance(label, (int, float, Decimal)):
        return 0, (label, "")
    if isinstance(label, dt.date):
        return 1, (_microseconds(label) * (ATTO // 10**6), "")
    if isinstance(label, dt.timedelta):
        return 2, (label // dt.timedelta(microseconds=1) * (ATTO // 10**6), "")
    return 5, label


def _microseconds(date: dt.date) -> int:
    """Since 1970 in UTC, which may lie outside of what datetime can hold."""
    day = (date.toordinal() - EPOCH) * 86_400_000_000
    if not isinstance(date, dt.datetime):
        return day
    offset = date.utcoffset() or dt.timedelta()
    clock = dt.timedelta(0, date.hour * 3600 + date.minute * 60 + date.second, date.microsecond)
    return day + (clock - offset) // dt.timedelta(microseconds=1)


def codes_of(groups: Any, shape: tuple[int, ...]) -> Key:
    """The labels that occur, and each sample's place among them.

    Parameters
    ----------
    groups : array_like, categories, frame, mapping or list of columns
        A key, or several, for samples of this shape.
    shape : tuple of int

    Raises
    ------
    TypeError
        If there is something among the groups that is no label.
    ValueError
        If a key has another shape.
    """
    if isinstance(groups, Found) and groups.codes.shape == shape:
        return list(groups.categories), np.asarray(groups.codes, np.intp)
    found = []
    for name, column in _columns(groups, shape):
        labels, places = _key(column, name)
        if places.shape != shape:
            raise ValueError(f"{name} must have y_true's shape {shape}; got {places.shape}")
        found.append((labels, places))
    labels, places = found[0] if len(found) == 1 else _crossed(found)
    return labels, np.ascontiguousarray(places, np.intp)


def key_names(groups: Any) -> tuple[str, ...]:
    """What the keys are called, if they have names that are texts."""
    names: Any = ()
    if isinstance(groups, Groups) or hasattr(groups, "levels"):  # a MultiIndex of pandas
        names = groups.names
    elif isinstance(groups, Mapping):
        names = groups
    elif hasattr(groups, "iloc") or hasattr(groups, "get_columns"):  # pandas, polars
        names = getattr(groups, "columns", ())
    elif hasattr(groups, "column_names"):  # pyarrow
        names = groups.column_names
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


# ---- labels that are equal ----------------------------------------------------------------------


def places_among(known: dict[Hashable, int], labels: Sequence[Hashable]) -> list[int]:
    """The places of labels among those that are known, as they are from here on.

    Where labels are equal but not the same, as a text and a `Level`, or two of other ranks, the
    one that is kept does not depend on which came first.
    """
    places = [known.setdefault(label, len(known)) for label in labels]
    names = list(known)
    changed = False
    for place, label in zip(places, labels, strict=True):
        name = names[place]
        if name is not label and not _same(name, label):
            names[place] = _preferred(name, label)
            changed = True
    if changed:
        known.clear()
        known.update(zip(names, range(len(names)), strict=True))
    return places


def agreed(labels: Sequence[Hashable]) -> Labels:
    """Labels of which those of several keys have the same ones of each key, as ranks are."""
    if not all(isinstance(label, tuple) and label for label in labels):
        return list(labels)
    columns = []
    for column in map(agreed, zip(*labels, strict=True)):
        known: dict[Hashable, int] = {}
        places = places_among(known, column)
        names = list(known)
        columns.append([names[place] for place in places])
    return list(zip(*columns, strict=True))


def check_keys(labels: Sequence[Hashable]) -> None:
    """An error for labels of more keys than others have."""
    sizes: dict[Any, Hashable] = {}
    for label in labels:
        sizes.setdefault(_n_keys(label), label)
    if len(sizes) > 1:
        one, other = list(sizes.values())[:2]
        raise ValueError(f"all groups must be of as many keys; got {one!r} and {other!r}")


def _n_keys(label: Any) -> Any:
    """How many there are; of a pair of a group and a cluster, and in the group."""
    return (len(label), _n_keys(label[0])) if isinstance(label, tuple) and label else 0


def _same(one: Any, other: Any) -> bool:
    """Whether equal labels are of the same plain types, so that nothing tells them apart."""
    kind = type(one)
    if kind is not type(other):
        return False
    return kind in PLAIN or (kind is tuple and all(map(_same, one, other)))


def _preferred(one: Any, other: Any) -> Any:
    """Of equal labels the one to keep: rather a level than a text, of levels the last."""
    if isinstance(one, tuple):
        return tuple(map(_preferred, one, other))
    return max(one, other, key=_detail)


def _detail(item: Any) -> tuple[Any, ...]:
    """What tells an item from others that equal it."""
    if isinstance(item, tuple):
        return tuple(map(_detail, item))
    if isinstance(item, Level):
        return 1, item.rank, type(item).__name__
    return 0, 0, str(item.utcoffset()) if type(item) is dt.datetime else repr(item)


# ---- one key or several ------------------------------------------------------------------------


def _columns(groups: Any, shape: tuple[int, ...]) -> Iterable[tuple[str, Any]]:
    """The keys, and what each is called in messages."""
    columns: Any = None
    if isinstance(groups, Mapping):
        columns = groups.items()
    elif isinstance(groups, (list, tuple)):
        if len(shape) > 1 and np.shape(stacked := np.array(groups, object)) == shape:
            groups = stacked
        elif groups and all(map(_is_column, groups)):
            columns = enumerate(groups)
    elif hasattr(groups, "levels") and hasattr(groups, "codes"):  # a MultiIndex of pandas
        pairs = zip(groups.codes, groups.levels, strict=True)
        columns = enumerate(Groups(np.asarray(codes), level) for codes, level in pairs)
    elif hasattr(groups, "iloc") and hasattr(groups, "columns"):  # pandas
        columns = ((name, groups.iloc[:, i]) for i, name in enumerate(groups.columns))
    elif hasattr(groups, "get_columns"):  # polars
        columns = ((column.name, column) for column in groups.get_columns())
    elif hasattr(groups, "column_names"):  # pyarrow
        columns = zip(groups.column_names, groups.columns, strict=True)
    elif isinstance(groups, np.ndarray) and groups.shape[:-1] == shape and groups.ndim > len(shape):
        columns = enumerate(np.moveaxis(groups, -1, 0))
    else:
        array = _arrow(groups)
        if array is not None and str(array.type).startswith("struct"):
            columns = enumerate(array.flatten())
    if columns is None:
        return [("groups", groups)]
    named = [(f"groups[{name!r}]", column) for name, column in columns]
    if not named:
        raise ValueError("groups has no columns")
    return named


def _is_column(item: Any) -> bool:
    """Whether it is many labels, not one: a tuple is a label of several keys."""
    return hasattr(item, "__len__") and not isinstance(item, (str, bytes, tuple))


def _crossed(keys: list[Key]) -> Key:
    """The combinations of labels that occur, as tuples."""
    first, places = keys[0]
    labels: Labels = [(label,) for label in first]
    for own, codes in keys[1:]:
        pairs, places = _compact(places * len(own) + codes)
        labels = [(*labels[pair // len(own)], own[pair % len(own)]) for pair in pairs]
    return labels, places


def codes_of_clusters(groups: Any, cluster: Any, shape: tuple[int, ...]) -> Key:
    """The same, of pairs of a group, or None without groups, and of a cluster."""
    whole: Key = ([None], np.zeros(shape, np.intp))
    labels, places = codes_of(cluster, shape)
    return _crossed([whole if groups is None else codes_of(groups, shape), (labels, places)])


# ---- columns -----------------------------------------------------------------------------------


def _key(column: Any, name: str) -> Key:
    """A column's distinct labels, and each element's place among them."""
    if hasattr(column, "cat") and hasattr(column.cat, "codes"):  # a pandas Series of categories
        column = column.cat
    if hasattr(column, "codes") and hasattr(column, "categories"):
        labels, places = _key(column.categories, name)
        categories = [labels[place] for place in places]
        if getattr(column, "ordered", False):
            categories = _ranked(categories)
        return _coded(np.asarray(column.codes), categories, name)
    arrow = _arrow(column)
    if arrow is not None:
        return _of_arrow(arrow, name)
    if isinstance(column, (list, tuple)):
        return _of_items(list(column), name)
    if isinstance(column, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array; pass its data, and the mask as sample_weight=~mask"
        )
    if type(getattr(column, "dtype", None)).__module__.split(".")[0] == "pandas":
        codes, distinct = column.factorize()
        return _coded(codes, _plain_labels(distinct, name), name)
    return _of_array(np.asarray(column), name)


def _of_array(array: NDArray[Any], name: str, zone: dt.tzinfo | None = None) -> Key:
    kind = array.dtype.kind
    if kind in "iu":
        return _compact(array)
    if kind == "b":
        labels, places = _compact(array.view(np.uint8))
        return [bool(label) for label in labels], places
    if kind == "f":
        return _around_gaps(array, np.isnan(array), _of_numbers)
    if kind in "mM":
        return _around_gaps(array, np.isnat(array), lambda times: _of_times(times, zone))
    if kind in "OUST":
        labels, places = _of_items(array.ravel().tolist(), name)
        return labels, places.reshape(array.shape)
    raise _no_label(name, f"dtype {array.dtype}")


def _around_gaps(array: NDArray[Any], gaps: NDArray[np.bool_], key_of: Any) -> Key:
    """The key of what is there, with the rest in the group of what is missing."""
    if not gaps.any():
        key: Key = key_of(array)
        return key
    labels, inner = key_of(array[~gaps])
    places = np.full(array.shape, len(labels), np.intp)
    places[~gaps] = inner
    return [*labels, MISSING], places


def _of_numbers(floats: NDArray[Any]) -> Key:
    doubles = floats.astype(np.float64, copy=False)
    if (np.abs(doubles) < 2.0**53).all():
        whole = doubles.astype(np.int64)
        if (whole == doubles).all():
            return _compact(whole)
    distinct, places = np.unique(doubles, return_inverse=True)
    return [_number(number) for number in distinct.tolist()], places


def _of_times(times: NDArray[Any], zone: dt.tzinfo | None) -> Key:
    native = times.astype(times.dtype.newbyteorder("="), copy=False)
    found, places = _compact(native.view(np.int64))
    distinct = np.array(found, np.int64).view(native.dtype)
    return _merged([_moment(time, zone) for time in distinct], places)


def _moment(time: Any, zone: dt.tzinfo | None) -> Any:
    """A date, datetime or timedelta; a text with a rank where these are too short or too coarse."""
    if np.isnat(time):
        return MISSING
    unit, instant = _instant(time)
    fine, rest = divmod(instant, ATTO // 10**6)
    try:
        if not rest:
            span = dt.timedelta(microseconds=fine)
            if time.dtype.kind == "m":
                return span
            if unit in ("Y", "M", "W", "D"):
                return dt.date(1970, 1, 1) + span
            moment = dt.datetime(1970, 1, 1) + span
            return moment if zone is None else _at_offset(moment.replace(tzinfo=dt.UTC), zone)
    except OverflowError:
        pass
    return (Span if time.dtype.kind == "m" else Moment)(str(time), instant)


def _instant(time: Any) -> tuple[str, int]:
    """Its unit, and the attoseconds since 1970, or that it lasts: exact, as NumPy's may wrap."""
    unit, step = np.datetime_data(time.dtype)
    count = int(time.astype(np.int64)) * step
    if unit in ("Y", "M") and time.dtype.kind == "M":
        cycles, months = divmod(count * 12 if unit == "Y" else count, 4800)
        first = dt.date(1970 + months // 12, months % 12 + 1, 1)  # 400 years are 146,097 days
        return unit, (cycles * 146_097 + first.toordinal() - EPOCH) * 86_400 * ATTO
    return unit, count * UNITS[unit]


def _at_offset(time: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """A time in a zone, which is then its distance from UTC.

    Of one zone datetimes are compared by their clocks, which show an hour of autumn twice.
    """
    local = time.astimezone(zone)
    return local.replace(tzinfo=dt.timezone(local.utcoffset() or dt.timedelta()), fold=0)


class _Places(dict[Any, int]):
    """Numbers things in the order in which they are first asked for."""

    def __missing__(self, item: Any) -> int:
        place = self[item] = len(self)
        return place


def _of_items(items: list[Any], name: str) -> Key:
    """The key of Python objects: by a dictionary, as strings are slow to sort."""
    places = _Places()
    kinds = {*map(type, items)}
    if kinds == {tuple} and len({*map(len, items)}) == 1 and items[0]:
        columns = [[*map(itemgetter(key), items)] for key in range(len(items[0]))]
        return _crossed([_of_items(column, name) for column in columns])
    plain = len(kinds & NUMBERS) <= 1 and kinds <= PLAIN
    try:
        each = items if plain else map(_apart, items)
        codes = np.fromiter(map(places.__getitem__, each), np.intp, len(items))
    except TypeError:
        bad = next(item for item in items if not _is_hashable(item))
        raise _no_label(name, f"a {type(bad).__name__}") from None
    distinct = places if plain else [item for item, _ in places]
    return _merged(_plain_labels(distinct, name), codes)


def _apart(item: Any) -> tuple[Any, Any]:
    """An item with what tells it from others that equal it, of which the first would be taken."""
    return item, _detail(item)


def _is_hashable(item: Any) -> bool:
    try:
        hash(item)
    except TypeError:
        return False
    return True


def _coded(codes: NDArray[Any], categories: Labels, name: str) -> Key:
    """The key of places among categories, of which some may be the same or not occur."""
    if codes.size and int(codes.max()) >= len(categories):
        raise ValueError(f"{name} has code {codes.max()}, but {len(categories)} categories")
    if codes.size and codes.min() < 0:
        codes = np.where(codes < 0, len(categories), codes)
        categories = [*categories, MISSING]
    found, places = _compact(codes)
    return _merged([categories[i] for i in found], places)


def _ranked(categories: Labels) -> Labels:
    """Ordered categories: texts as levels, others too unless they are in natural order anyway."""
    keys = [sort_key(label) for label in categories]
    if not any(isinstance(label, str) for label in categories) and keys == sorted(keys):
        return categories
    return [Level(str(label), rank) for rank, label in enumerate(categories)]


def _merged(labels: Labels, places: NDArray[np.intp]) -> Key:
    """With each label once."""
    known: dict[Hashable, int] = {}
    code = places_among(known, labels)
    if len(known) == len(labels):
        return labels, places
    return list(known), np.array(code, np.intp)[places]


def _compact(codes: NDArray[Any]) -> Key:
    """The distinct integers among codes, in order, and each one's place."""
    if codes.size == 0:
        return [], np.zeros(codes.shape, np.intp)
    low, high = int(codes.min()), int(codes.max())
    if high - low >= max(MAX_SPREAD, codes.size):
        distinct, places = np.unique(codes, return_inverse=True)
        return distinct.tolist(), places
    if codes.dtype.kind == "u":
        offsets = (codes - codes.dtype.type(low)).astype(np.intp)
    else:
        offsets = codes.astype(np.intp, copy=False)
        offsets = offsets - low if low else offsets
    occurs = _occurring(offsets.ravel(), high - low + 1)
    labels = (np.flatnonzero(occurs)).tolist()
    places = offsets if len(labels) == len(occurs) else (np.cumsum(occurs) - 1)[offsets]
    return [label + low for label in labels] if low else labels, places


def _occurring(codes: NDArray[np.intp], width: int) -> NDArray[np.bool_]:
    """Which of the integers below ``width`` occur: often all of them do among the first codes."""
    if width < FEW:
        first = np.bincount(codes[:FEW], minlength=width) > 0
        if first.all():
            return first
    return np.bincount(codes, minlength=width) > 0


# ---- Arrow -------------------------------------------------------------------------------------


def _arrow(column: Any) -> Any:
    """A pyarrow array of what lies in Arrow's memory already; None of all else."""
    dtype = getattr(column, "dtype", None)
    within = hasattr(dtype, "pyarrow_dtype") or getattr(dtype, "storage", "") == "pyarrow"
    streams = hasattr(column, "__arrow_c_stream__") and not hasattr(column, "iloc")
    if not (within or streams or hasattr(column, "__arrow_c_array__")) or str(dtype) == "Object":
        return None  # in Arrow, objects of polars are their addresses
    try:
        import pyarrow as pa
    except ImportError:  # polars can do without
        return None
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return column
    return pa.chunked_array(column) if streams else pa.array(column)


def _of_arrow(column: Any, name: str) -> Key:
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _of_arrow(column.cast(kind.storage_type), name)
    if types.is_dictionary(kind):
        return _of_dictionary(column, name)
    if types.is_temporal(kind) and not types.is_time(kind):
        column = column.cast(pa.date32()) if types.is_date64(kind) else column
        zone = getattr(kind, "tz", None)
        return _of_array(column.to_numpy(**_copying(column)), name, zone and _zone(zone))
    if types.is_nested(kind):
        raise _no_label(name, f"{kind}")
    if types.is_null(kind) or types.is_boolean(kind) or column.null_count:
        return _of_dictionary(column.dictionary_encode(), name)
    if types.is_integer(kind) or types.is_floating(kind):
        return _of_array(column.to_numpy(**_copying(column)), name)
    return _of_dictionary(column.dictionary_encode(), name)


def _copying(column: Any) -> dict[str, bool]:
    """Arrays have to be told that a copy may be made; columns in chunks know."""
    return {} if hasattr(column, "chunks") else {"zero_copy_only": False}


def _of_dictionary(column: Any, name: str) -> Key:
    """The key of a dictionary-encoded column."""
    from pyarrow import types

    if hasattr(column, "chunks"):
        column = column.unify_dictionaries()
        chunks = column.chunks
        if not chunks:
            return [], np.zeros(0, np.intp)
    else:
        chunks = [column]
    values = chunks[0].dictionary
    kind = values.type
    if types.is_temporal(kind) and not types.is_time(kind) or types.is_nested(kind):
        labels, places = _of_arrow(values, name)
        categories = [labels[place] for place in places]
    else:
        categories = _plain_labels(values.to_pylist(), name)
    if column.type.ordered:
        categories = _ranked(categories)
    codes = [codes_in(chunk, len(categories)) for chunk in chunks]
    every = codes[0] if len(codes) == 1 else np.concatenate(codes)
    return _coded(every, [*categories, MISSING], name)


def codes_in(dictionary: Any, missing: int) -> NDArray[np.integer[Any]]:
    """The indices of a dictionary-encoded array; for those that are null another number."""
    indices = dictionary.indices
    if indices.null_count:  # the number may be too large for the type of the others
        indices = indices.cast("int64").fill_null(missing)
    codes: NDArray[np.integer[Any]] = indices.to_numpy()
    return codes


def _zone(name: str) -> dt.tzinfo:
    """A time zone by its name, or by its distance from UTC, as +05:30."""
    if name[:1] in "+-":
        return dt.datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo or dt.UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


# ---- labels ------------------------------------------------------------------------------------


def _plain_labels(items: Iterable[Any], name: str) -> Labels:
    """Labels of objects, one for one."""
    items = list(items)
    spans = {item for item in items if hasattr(item, "left") and hasattr(item, "closed")}
    ranks = {span: i for i, span in enumerate(sorted(spans, key=lambda x: (x.left, x.right)))}
    return [Level(str(x), ranks[x]) if x in ranks else _plain(x, name) for x in items]


def _plain(item: Any, name: str) -> Any:
    """The label of an object."""
    kind = type(item)
    if kind is str or kind is int or kind is bool or kind is bytes:
        return item
    if item is None or kind.__name__ in ("NAType", "NaTType"):
        return MISSING
    if isinstance(item, tuple):
        return tuple(_plain(part, name) for part in item)
    if isinstance(item, Level):
        return item
    if isinstance(item, str):
        return str.__str__(item)
    if isinstance(item, (np.datetime64, np.timedelta64)):
        return _moment(item, None)
    if isinstance(item, np.bool_):
        return bool(item)
    if isinstance(item, Integral):
        return int(item)
    if isinstance(item, (Real, Decimal)):
        return _number(item)
    if hasattr(item, "ordinal") and hasattr(item, "freqstr"):  # a Period of pandas
        return Level(str(item), item.ordinal)
    if hasattr(item, "to_datetime64") or hasattr(
        item, "to_timedelta64"
    ):  # a Timestamp, a Timedelta
        time = item.to_datetime64() if hasattr(item, "to_datetime64") else item.to_timedelta64()
        return _moment(time, getattr(item, "tzinfo", None))
    if isinstance(item, dt.datetime) and item.tzinfo is not None:
        return _at_offset(item, item.tzinfo)
    if isinstance(item, (dt.date, dt.timedelta)):
        return item
    if isinstance(item, dt.time):
        return item.isoformat()
    raise _no_label(name, f"a {kind.__name__}")


def _number(number: Any) -> Any:
    """A number: an int if it is whole, so that 1.0 is 1; a Decimal if a float is too short."""
    if number != number:
        return MISSING
    if isinstance(number, Decimal):
        if number.is_finite() and number.adjusted() < MAX_DIGITS and number == int(number):
            return int(number)
        return number if Decimal(repr(float(number))) != number else float(number)
    if math.isfinite(number) and abs(number) < 2**53 and number == int(number):
        return int(number)
    return float(number)


def _no_label(name: str, got: str) -> TypeError:
    return TypeError(
        f"{name} must hold numbers, texts, dates, times or categories; got {got}. Several keys are "
        "columns of one length, in a list, a mapping or a frame"
    )

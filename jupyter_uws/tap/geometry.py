"""ADQL's geometry functions, in terms of :mod:`~jupyter_uws.tap.sphere`."""

from __future__ import annotations

import numpy as np
from sqlglot import exp

from . import places, regions, sphere, stcs
from .functions import COSTLY, SHAPES
from .grouping import bare
from .resolver import Resolver
from .schema import Column, Sky
from .scope import Scope

_WHAT = {
    "POINT": "longitude and latitude",
    "CIRCLE": "longitude, latitude and radius, or a POINT and a radius,",
    "BOX": "longitude, latitude, width and height, or a POINT, width and height,",
    "POLYGON": "longitudes and latitudes of three vertices or more, or three POINTs or more,",
}
_WRITTEN = {"POINT": "12.3 45.6", "CIRCLE": "12.3 45.6 1.0", "POLYGON": "10 20 11 20 11 21"}
# the values of shapes: xtype and arraysize of DALI
_VALUES = {
    "POINT": ("point", "2"), "CENTROID": ("point", "2"), "CIRCLE": ("circle", "3"), "BOX": ("polygon", "*"),
    "POLYGON": ("polygon", "*"),
}  # fmt: skip
_COUNTS = {"POINT": 2, "CIRCLE": 3, "BOX": 4}

# characters of SQL: shapes within shapes are written several times into formulae
MAX_SHAPE = 100_000


class Geometry(Resolver):
    """Shapes, and what can be asked of them."""

    def geometry(self, name: str, node: exp.Anonymous, scope: Scope) -> str:
        """The value of a function of :data:`~jupyter_uws.tap.functions.GEOMETRY`; of REGION it is STC-S."""
        if name in ("CONTAINS", "INTERSECTS"):
            return f"CAST({self.geometric_condition(name, node, scope)} AS INTEGER)"
        if name == "DISTANCE":
            return self._distance(node, scope)
        if name in SHAPES:
            shape = self.shape(node, name, scope)
            return sphere.text(shape) if name == "REGION" else sphere.array(shape)
        if len(node.expressions) != 1:
            raise self.error(f"{name} takes one argument", node)
        if name in ("COORD1", "COORD2"):
            point = self._point(node.expressions[0], name, scope)
            return point.lon if name == "COORD1" else point.lat
        shape = self.shape(node.expressions[0], name, scope)
        return "'ICRS'" if name == "COORDSYS" else f"adql_area({sphere.numbers(shape)})"

    def geometric_condition(self, name: str, node: exp.Anonymous, scope: Scope) -> str:
        return self.compared(name, node, scope)[0]

    def compared(self, name: str, node: exp.Anonymous, scope: Scope) -> tuple[str, sphere.Shape, sphere.Shape]:
        """CONTAINS or INTERSECTS as a condition, and the two shapes."""
        if len(node.expressions) != 2:
            raise self.error(f"{name} takes two arguments", node)
        first, second = (self.shape(argument, name, scope) for argument in node.expressions)
        if name == "INTERSECTS":
            if isinstance(first, sphere.Point) and isinstance(second, sphere.Point):
                raise self.error("INTERSECTS is not for two POINTs: use DISTANCE", node)
            return sphere.intersects(first, second), first, second
        if isinstance(second, sphere.Point):
            raise self.error(
                "the second argument of CONTAINS is a CIRCLE or another region, not a POINT: CONTAINS(inner, outer)",
                node,
            )
        return sphere.contains(first, second), first, second

    def healpix_index(self, node: exp.Anonymous, scope: Scope) -> str:
        arguments = node.expressions
        if len(arguments) not in (2, 3):
            raise self.error("ivo_healpix_index takes an order and a POINT, or an order, longitude and latitude", node)
        if len(arguments) == 2:
            point = self._point(arguments[1], "ivo_healpix_index", scope)
        else:
            lon, lat = (self._coordinate(argument, scope) for argument in arguments[1:])
            point = sphere.Point(lon, lat)
        return f"adql_healpix(CAST({self.value(arguments[0], scope)} AS BIGINT), {sphere.numbers(point)})"

    def _distance(self, node: exp.Anonymous, scope: Scope) -> str:
        return sphere.distance(*self.ends(node, scope))

    def ends(self, node: exp.Anonymous, scope: Scope) -> tuple[sphere.Point, sphere.Point]:
        """The two points of a DISTANCE."""
        arguments = node.expressions
        if len(arguments) == 4:
            pairs = (arguments[:2], arguments[2:])
            first, second = (
                sphere.Point(self._coordinate(lon, scope), self._coordinate(lat, scope), self._place([lon, lat], scope))
                for lon, lat in pairs
            )
            return first, second
        if len(arguments) != 2:
            raise self.error("DISTANCE takes two points, or lon1, lat1, lon2, lat2", node)
        first, second = (self._point(argument, "DISTANCE", scope) for argument in arguments)
        return first, second

    # shapes

    def shape(self, node: exp.Expr, where: str, scope: Scope) -> sphere.Shape:
        """A point, a circle or another region, for the function ``where``."""
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.Column):
            return self._shape_of_column(node, where, scope)
        if isinstance(node, exp.Cast) and (wanted := shape_cast(node)) is not None:
            return self._shape_of_cast(node, wanted)
        name = node.this.upper() if isinstance(node, exp.Anonymous) and isinstance(node.this, str) else ""
        if name not in SHAPES or not isinstance(node, exp.Anonymous):
            raise self.error(f"{where} takes POINT, CIRCLE, BOX, POLYGON, REGION, or a column of regions, here", node)
        self.only(node, "this", "expressions")
        if name == "REGION":
            return self._region(node)
        if name == "CENTROID":
            return self._centroid(node, scope)
        shape = self._constructed(name, node, scope)
        if len(sphere.numbers(shape)) > MAX_SHAPE:
            raise self.error("the geometry is too complex: too many shapes within each other", node)
        return shape

    def _point(self, node: exp.Expr, where: str, scope: Scope) -> sphere.Point:
        shape = self.shape(node, where, scope)
        if not isinstance(shape, sphere.Point):
            raise self.error(f"{where} takes a POINT", node)
        return shape

    def _shape_of_column(self, node: exp.Column, where: str, scope: Scope) -> sphere.Shape:
        value = self.column(node, scope)
        if value.column is None or not is_shape(value.column):
            raise self.error(f"{value.name} is no region: {where} takes shapes, or a column of regions", node)
        is_text = value.column.datatype in ("char", "unicodeChar")
        numbers = f"adql_region({value.sql})" if is_text else f"CAST({value.sql} AS DOUBLE[])"
        if _xtype(value.column) == "point":
            return sphere.Point(f"list_extract({numbers}, 1)", f"list_extract({numbers}, 2)")
        if value.sky and value.alias and value.name == value.sky.region:
            return _indexed_region(numbers, value.alias, value.sky)
        return sphere.region_of_text(value.sql) if is_text else sphere.Region(numbers)

    def _shape_of_cast(self, node: exp.Cast, wanted: str) -> sphere.Shape:
        """A shape that is written as DALI serializes it: its numbers, in ICRS."""
        self.only(node.args["to"], "this", "kind")
        text = bare(node.this)
        if not isinstance(text, exp.Literal) or not text.is_string:
            raise self.error(f"CAST to {wanted} takes numbers in quotes, such as {_WRITTEN[wanted]!r}", node)
        try:
            return _literal_shape(stcs.plain(wanted.lower(), text.name))
        except ValueError as error:
            raise self.error(f"CAST to {wanted}: {error}", text) from None

    def _region(self, node: exp.Anonymous) -> sphere.Shape:
        text = node.expressions[0] if len(node.expressions) == 1 else None
        if not isinstance(text, exp.Literal) or not text.is_string:
            raise self.error("REGION takes a text in STC-S, such as 'CIRCLE ICRS 10 20 0.5'", node)
        try:
            numbers = stcs.numbers(text.name)
            if numbers is None:
                raise ValueError("the text is empty")
            return _literal_shape(numbers)
        except ValueError as error:
            raise self.error(f"REGION: {error}", text) from None

    def _centroid(self, node: exp.Anonymous, scope: Scope) -> sphere.Point:
        if len(node.expressions) != 1:
            raise self.error("CENTROID takes one argument", node)
        shape = self.shape(node.expressions[0], "CENTROID", scope)
        if isinstance(shape, sphere.Point):
            return shape
        if isinstance(shape, sphere.Circle):
            return shape.centre
        numbers = f"adql_centroid({shape.numbers})"
        return sphere.Point(f"list_extract({numbers}, 1)", f"list_extract({numbers}, 2)")

    def _constructed(self, name: str, node: exp.Anonymous, scope: Scope) -> sphere.Shape:
        system, arguments = self._frame(node.expressions)
        coordinates = self._coordinates(name, arguments, scope)
        count = _COUNTS.get(name)
        if len(coordinates) != count if count else len(coordinates) < 6 or len(coordinates) % 2:
            raise self.error(f"{name} takes {_WHAT[name]} in degrees", node)
        values = [sphere.number(coordinate) for coordinate in coordinates]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            try:
                return _literal_shape(stcs.icrs(name.lower(), known, system), plain=coordinates, exact=system == "ICRS")
            except ValueError as error:
                raise self.error(f"{name}: {error}", node) from None
        if system != "ICRS":
            raise self.error(f"{system} coordinates must be numbers: those of columns are ICRS here", node)
        if name == "POINT":
            return sphere.Point(coordinates[0], coordinates[1], self._place(arguments, scope))
        if name == "CIRCLE":
            lon, lat, radius = coordinates
            return sphere.Circle(sphere.Point(lon, lat, self._place(arguments, scope)), radius)
        numbers = "[" + ", ".join(coordinates) + "]"
        return sphere.Region(f"adql_box({numbers})" if name == "BOX" else numbers)

    def _coordinates(self, name: str, arguments: list[exp.Expr], scope: Scope) -> list[str]:
        """The numbers of a shape. Where its points are given as POINTs, their coordinates."""
        points = len(arguments) if name == "POLYGON" else 1
        if name == "POINT" or not arguments or not self._is_point(arguments[0], scope):
            return [self._coordinate(argument, scope) for argument in arguments]
        found: list[str] = []
        for argument in arguments[:points]:
            point = self._point(argument, name, scope)
            found += [point.lon, point.lat]
        return found + [self._coordinate(argument, scope) for argument in arguments[points:]]

    def _place(self, arguments: list[exp.Expr], scope: Scope) -> sphere.Place | None:
        """The row whose position the first arguments are: two columns, or a POINT of them."""
        first = arguments[0]
        if isinstance(first, exp.Anonymous):
            return self._point(first, "POINT", scope).place if str(first.this).upper() == "POINT" else None
        if not all(isinstance(argument, exp.Column) for argument in arguments[:2]):
            return None
        lon, lat = (self.column(argument, scope) for argument in arguments[:2])  # type: ignore[arg-type]
        if not lon.sky or not lon.alias or lon.alias != lat.alias:
            return None
        return sphere.Place(lon.alias) if (lon.name, lat.name) == (lon.sky.lon, lon.sky.lat) else None

    def _is_point(self, node: exp.Expr, scope: Scope) -> bool:
        if isinstance(node, exp.Anonymous):
            return str(node.this).upper() in SHAPES
        if isinstance(node, exp.Cast):
            return shape_cast(node) is not None
        column = self.column(node, scope).column if isinstance(node, exp.Column) else None
        return column is not None and _xtype(column) == "point"

    def _frame(self, arguments: list[exp.Expr]) -> tuple[str, list[exp.Expr]]:
        """The coordinate system, which may be left out, and the arguments after it."""
        if not arguments or not isinstance(arguments[0], (exp.Literal, exp.Null)):
            return "ICRS", arguments
        first = arguments[0]
        if isinstance(first, exp.Null):
            return "ICRS", arguments[1:]
        if not first.is_string:
            return "ICRS", arguments
        system = stcs.frame(first.name)
        if system is None:
            raise self.error(f"the coordinate system is ICRS, FK5 or GALACTIC, not {first.name[:40]!r}", first)
        return system, arguments[1:]

    def _coordinate(self, node: exp.Expr, scope: Scope) -> str:
        self.plain(node, "coordinate")
        if isinstance(node, exp.Literal) and node.is_string:
            raise self.error(f"a coordinate is a number in degrees, not {node.name[:40]!r}", node)
        return f"CAST({self.value(node, scope)} AS DOUBLE)"

    def plain(self, node: exp.Expr, what: str) -> None:
        """Refuse what is too long to be written several times into a formula."""
        for part in node.walk():
            if isinstance(part, exp.Subquery) or (isinstance(part, exp.Anonymous) and str(part.this).upper() in COSTLY):
                raise self.error(f"a {what} is a number, a column, or arithmetic of them", part)

    def shape_column(self, name: str) -> Column | None:
        """The description of a value of :meth:`geometry`."""
        if name == "DISTANCE":
            return Column("distance", "double", "angular distance", unit="deg", ucd="pos.angDistance")
        if name == "AREA":
            return Column("area", "double", "area on the sphere", unit="deg**2", ucd="phys.angArea")
        if name in ("COORD1", "COORD2"):
            return Column(name.lower(), "double", "coordinate in ICRS", unit="deg")
        if name == "REGION":
            return Column("region", "char", "STC-S in ICRS, in degrees", arraysize="*", xtype="adql:REGION")
        if name in SHAPES:
            xtype, arraysize = _VALUES[name]
            return Column(name.lower(), "double", "in ICRS", arraysize=arraysize, xtype=xtype, unit="deg")
        return None


def shape_cast(node: exp.Cast) -> str | None:
    """The kind of shape that a CAST makes, if it makes one."""
    kind = str(node.args["to"].args.get("kind") or "").upper()
    return kind if kind in _WRITTEN else None


def is_shape(column: Column) -> bool:
    """Whether a column has regions."""
    return _xtype(column) in ("region", "shape", "point", "circle", "polygon")


def _xtype(column: Column) -> str:
    return (column.xtype or "").lower().removeprefix("adql:")


def _indexed_region(numbers: str, alias: str, sky: Sky) -> sphere.Region:
    """The region of a table that has a circle around it in hidden columns."""
    lon, lat, radius = (f"{alias}.{name}" for name in (places.LON, places.LAT, places.RADIUS))
    circle = sphere.Circle(sphere.Point(lon, lat), radius)
    return sphere.Region(numbers, circle, circle, f"{alias}.{places.IS_CIRCLE}", sphere.Place(alias, sky.reach))


def _literal_shape(numbers: list[float], plain: list[str] | None = None, exact: bool = False) -> sphere.Shape:
    """A shape of known numbers; ``plain`` is how they were written. Raises ValueError."""
    array = np.array(numbers)
    shape = regions.regions(array, np.array([len(numbers)]))
    written = plain if exact and plain and len(plain) == len(numbers) != 4 else [_written(n) for n in numbers]
    if len(numbers) == 2:
        return sphere.Point(written[0], written[1])
    if len(numbers) == 3:
        return sphere.Circle(sphere.Point(written[0], written[1]), written[2])
    lon, lat = regions.positions(shape.centre[0])
    radius = np.degrees(regions.separation(shape.centre, shape.vertices[0]).max()) + 1e-9
    bound = sphere.Circle(sphere.Point(_written(float(lon)), _written(float(lat))), _written(float(radius)))
    return sphere.Region("[" + ", ".join(written) + "]", within=bound)


def _written(number: float) -> str:
    return f"CAST({number!r} AS DOUBLE)"

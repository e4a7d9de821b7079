"""ADQL's geometry functions, in terms of :mod:`~jupyter_uws.tap.sphere`."""

from __future__ import annotations

from sqlglot import exp

from . import sphere
from .functions import GEOMETRY, MISSING_GEOMETRY
from .resolver import Resolver
from .scope import Scope

_REGION_XTYPES = ("adql:region", "adql:circle", "circle")
_FRAMES = ("", "ICRS", "ICRS GEOCENTER", "ICRS BARYCENTER", "ICRS UNKNOWNREFPOS")


class Geometry(Resolver):
    """POINT, CIRCLE, CONTAINS, INTERSECTS, DISTANCE."""

    def geometry(self, name: str, node: exp.Anonymous, scope: Scope) -> str:
        if name == "DISTANCE":
            return self._distance(node, scope)
        if name in ("CONTAINS", "INTERSECTS"):
            return f"CAST({self.geometric_condition(name, node, scope)} AS INTEGER)"
        if name in MISSING_GEOMETRY:
            raise self.error(f"{name} is not supported: POINT, CIRCLE, CONTAINS, INTERSECTS and DISTANCE are", node)
        raise self.error(f"{name} may only stand within CONTAINS, INTERSECTS or DISTANCE", node)

    def geometric_condition(self, name: str, node: exp.Anonymous, scope: Scope) -> str:
        if len(node.expressions) != 2:
            raise self.error(f"{name} takes two arguments", node)
        first, second = (self._shape(argument, name, scope) for argument in node.expressions)
        if name == "INTERSECTS":
            if isinstance(second, sphere.Circle):
                return sphere.intersects(first, second)
            if isinstance(first, sphere.Circle):
                return sphere.intersects(second, first)
            raise self.error("INTERSECTS is not for two POINTs: use DISTANCE", node)
        if not isinstance(second, sphere.Circle):
            raise self.error("the second argument of CONTAINS is a CIRCLE or a region, not a POINT", node)
        return sphere.contains(first, second)

    def _distance(self, node: exp.Anonymous, scope: Scope) -> str:
        arguments = node.expressions
        if len(arguments) == 4:
            lon1, lat1, lon2, lat2 = (self._coordinate(argument, scope) for argument in arguments)
            return sphere.distance(sphere.Point(lon1, lat1), sphere.Point(lon2, lat2))
        if len(arguments) != 2:
            raise self.error("DISTANCE takes two points, or lon1, lat1, lon2, lat2", node)
        points = [self._shape(argument, "DISTANCE", scope) for argument in arguments]
        for point, argument in zip(points, arguments, strict=True):
            if not isinstance(point, sphere.Point):
                raise self.error("DISTANCE is between POINTs", argument)
        return sphere.distance(points[0], points[1])  # type: ignore[arg-type]

    def _shape(self, node: exp.Expr, where: str, scope: Scope) -> sphere.Shape:
        if isinstance(node, exp.Column):
            value = self.column(node, scope)
            if value.column is None or (value.column.xtype or "").lower() not in _REGION_XTYPES:
                raise self.error(f"{value.name} is no region: {where} takes POINT, CIRCLE or a column of regions", node)
            return sphere.circle_of_region(value.sql, value.name)
        name = node.this.upper() if isinstance(node, exp.Anonymous) and isinstance(node.this, str) else ""
        if name in MISSING_GEOMETRY:
            raise self.error(f"{name} is not supported yet: POINT and CIRCLE are", node)
        if name not in ("POINT", "CIRCLE"):
            raise self.error(f"{where} takes POINT(lon, lat) or CIRCLE(lon, lat, radius) here", node)
        arguments = self._without_frame(node.expressions)
        if name == "POINT":
            if len(arguments) != 2:
                raise self.error("POINT takes longitude and latitude in degrees", node)
            return sphere.Point(*(self._coordinate(argument, scope) for argument in arguments))
        if len(arguments) == 2:
            centre = self._shape(arguments[0], "CIRCLE", scope)
            if not isinstance(centre, sphere.Point):
                raise self.error("CIRCLE(centre, radius) takes a POINT as its centre", node)
            return sphere.Circle(centre, self._coordinate(arguments[1], scope))
        if len(arguments) != 3:
            raise self.error("CIRCLE takes longitude, latitude and radius in degrees", node)
        lon, lat, radius = (self._coordinate(argument, scope) for argument in arguments)
        return sphere.Circle(sphere.Point(lon, lat), radius)

    def _without_frame(self, arguments: list[exp.Expr]) -> list[exp.Expr]:
        """The arguments after the coordinate system, which may be left out and can only be ICRS."""
        if not arguments or not isinstance(arguments[0], (exp.Literal, exp.Null)):
            return arguments
        first = arguments[0]
        if isinstance(first, exp.Literal):
            if not first.is_string:
                return arguments
            if " ".join(first.name.upper().split()) not in _FRAMES:
                raise self.error(f"the coordinate system is ICRS here, not {first.name!r}", first)
        return arguments[1:]

    def _coordinate(self, node: exp.Expr, scope: Scope) -> str:
        for part in node.walk():
            if isinstance(part, exp.Subquery) or (
                isinstance(part, exp.Anonymous) and str(part.this).upper() in GEOMETRY
            ):
                # coordinates are written several times into the formulae
                raise self.error("a coordinate is a number, a column, or arithmetic of them", part)
        if isinstance(node, exp.Literal) and node.is_string:
            raise self.error(f"a coordinate is a number in degrees, not {node.name!r}", node)
        return f"CAST({self.value(node, scope)} AS DOUBLE)"

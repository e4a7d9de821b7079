/**
 * The map projections of gamma-ray maps and of most images (FITS WCS, paper II, section 5).
 */

/** Plane coordinates and native spherical ones, all in degrees; null where the one has no other. */
export interface Projection {
  /** Native latitude of the reference point: 90 of zenithal projections, 0 of the others. */
  readonly theta0: number;
  toNative(x: number, y: number): readonly [number, number] | null;
  fromNative(phi: number, theta: number): readonly [number, number] | null;
}

const DEG = Math.PI / 180;

/** A zenithal projection is a radius (deg) as a function of native latitude, and back; NaN: not shown. */
function zenithal(radius: (theta: number) => number, theta: (radius: number) => number): Projection {
  return {
    theta0: 90,
    toNative: (x, y) => {
      const r = Math.hypot(x, y);
      const latitude = theta(r);
      return Number.isNaN(latitude) ? null : [r === 0 ? 0 : Math.atan2(x, -y) / DEG, latitude];
    },
    fromNative: (phi, latitude) => {
      const r = radius(latitude);
      return Number.isNaN(r) ? null : [r * Math.sin(phi * DEG), -r * Math.cos(phi * DEG)];
    }
  };
}

export const PROJECTIONS: Readonly<Record<string, Projection>> = {
  TAN: zenithal(
    theta => (theta <= 0 ? NaN : 1 / Math.tan(theta * DEG) / DEG),
    r => Math.atan2(1 / DEG, r) / DEG
  ),
  SIN: zenithal(
    theta => (theta < 0 ? NaN : Math.cos(theta * DEG) / DEG),
    r => Math.acos(r * DEG) / DEG
  ),
  ARC: zenithal(
    theta => 90 - theta,
    r => (r > 180 ? NaN : 90 - r)
  ),
  ZEA: zenithal(
    theta => (2 / DEG) * Math.sin(((90 - theta) / 2) * DEG),
    r => 90 - (2 / DEG) * Math.asin((r * DEG) / 2)
  ),
  STG: zenithal(
    theta => (theta <= -90 ? NaN : (2 / DEG) * Math.tan(((90 - theta) / 2) * DEG)),
    r => 90 - (2 / DEG) * Math.atan((r * DEG) / 2)
  ),
  CAR: {
    theta0: 0,
    toNative: (x, y) => (Math.abs(y) > 90 ? null : [x, y]),
    fromNative: (phi, theta) => [phi, theta]
  },
  AIT: {
    theta0: 0,
    toNative: (x, y) => {
      const z2 = 1 - ((x * DEG) / 4) ** 2 - ((y * DEG) / 2) ** 2;
      if (z2 < 0.5) {
        return null;
      }
      const z = Math.sqrt(z2);
      const phi = (2 / DEG) * Math.atan2((z * x * DEG) / 2, 2 * z2 - 1);
      return [phi, Math.asin(Math.max(-1, Math.min(1, y * DEG * z))) / DEG];
    },
    fromNative: (phi, theta) => {
      const cos = Math.cos(theta * DEG);
      const gamma = Math.sqrt(2 / (1 + cos * Math.cos((phi / 2) * DEG))) / DEG;
      return [2 * gamma * cos * Math.sin((phi / 2) * DEG), gamma * Math.sin(theta * DEG)];
    }
  }
};

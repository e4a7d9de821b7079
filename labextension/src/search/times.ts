/**
 * Times as UTC, TT, MJD and MET. What is kept is the MJD in TT, as ObsCore has it (ObsCore 1.1, section 4.5).
 */

/** From this MJD (UTC) on, TAI - UTC [s]; before 1972 UTC ran otherwise, and 10 s is taken. */
const LEAP_SECONDS: readonly (readonly [number, number])[] = [
  [41317, 10],
  [41499, 11],
  [41683, 12],
  [42048, 13],
  [42413, 14],
  [42778, 15],
  [43144, 16],
  [43509, 17],
  [43874, 18],
  [44239, 19],
  [44786, 20],
  [45151, 21],
  [45516, 22],
  [46247, 23],
  [47161, 24],
  [47892, 25],
  [48257, 26],
  [48804, 27],
  [49169, 28],
  [49534, 29],
  [50083, 30],
  [50630, 31],
  [51179, 32],
  [53736, 33],
  [54832, 34],
  [56109, 35],
  [57204, 36],
  [57754, 37]
];

const TT_MINUS_TAI = 32.184;
const DAY = 86400;
/** The day 1970-01-01. */
const UNIX_EPOCH = 40587;
/** MET counts from 2001-01-01T00:00:00 UTC, as in the files of H.E.S.S., CTAO and Fermi; here in TT. */
export const MET_REFERENCE = 51910 + 64.184 / DAY;
/** Plain numbers are MJD between these (1941 to 2132): a year or a JD by mistake is neither. */
const MJD_RANGE = [30000, 100000] as const;

export type TimeScale = 'utc' | 'tt' | 'mjd' | 'met';

/** TT - UTC [s] on the day that begins at this MJD (UTC). */
function ttMinusUtc(day: number): number {
  let leap = LEAP_SECONDS[0]?.[1] ?? 10;
  for (const [since, seconds] of LEAP_SECONDS) {
    if (day < since) {
      break;
    }
    leap = seconds;
  }
  return leap + TT_MINUS_TAI;
}

/** Day (MJD, UTC) and seconds of the day, 86400 and more within a leap second, as MJD in TT. */
function fromUtc(day: number, seconds: number): number {
  return day + (seconds + ttMinusUtc(day)) / DAY;
}

function toUtc(mjd: number): { day: number; seconds: number } {
  let day = Math.floor(mjd - ttMinusUtc(Math.floor(mjd)) / DAY);
  // the day's own offset decides: a day with a leap second is a second longer
  const next = fromUtc(day + 1, 0);
  if (mjd >= next) {
    day += 1;
  } else if (mjd < fromUtc(day, 0)) {
    day -= 1;
  }
  return { day, seconds: (mjd - fromUtc(day, 0)) * DAY };
}

const ISO = /^(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d*)?))?)?)?Z?$/;

function parseIso(text: string, scale: 'utc' | 'tt', name: string): number {
  const allowed = `${name}: '${text}' is no time, allowed is 2004-12-01 or 2004-12-01T22:15:00`;
  const found = ISO.exec(text);
  if (found === null) {
    throw new Error(allowed);
  }
  const [year, month, date, hour, minute] = [1, 2, 3, 4, 5].map(at => Number(found[at] ?? (at === 3 ? 1 : 0)));
  const seconds = Number(found[6] ?? 0);
  const time = new Date(Date.UTC(Number(year), Number(month) - 1, Number(date)));
  const day = time.getTime() / 1000 / DAY + UNIX_EPOCH;
  const inDay = Number(hour) * 3600 + Number(minute) * 60 + seconds;
  const length = scale === 'utc' ? DAY + ttMinusUtc(day + 1) - ttMinusUtc(day) : DAY;
  const isLeap = seconds >= 60 && hour === 23 && minute === 59 && inDay < length;
  const exists = time.getUTCMonth() === Number(month) - 1 && time.getUTCDate() === Number(date);
  if (!exists || Number(hour) > 23 || Number(minute) > 59 || (seconds >= 60 && !isLeap)) {
    throw new Error(`${name}: '${text}' is a time that does not exist`);
  }
  return scale === 'utc' ? fromUtc(day, inDay) : day + inDay / DAY;
}

/** MJD in TT of what was typed in a field; null of an empty one. Throws with `name`, value and what is allowed. */
export function parseTime(text: string, scale: TimeScale, name = scale.toUpperCase()): number | null {
  const value = text.trim();
  if (value === '') {
    return null;
  }
  if (scale === 'utc' || scale === 'tt') {
    return checked(parseIso(value, scale, name), value, name);
  }
  const number = Number(value);
  if (!Number.isFinite(number)) {
    throw new Error(`${name}: '${value}' is no number, allowed is ${scale === 'mjd' ? 'an MJD (TT)' : 'seconds'}`);
  }
  return checked(scale === 'mjd' ? number : MET_REFERENCE + number / DAY, value, name);
}

function checked(mjd: number, value: string, name: string): number {
  if (mjd < MJD_RANGE[0] || mjd > MJD_RANGE[1]) {
    throw new Error(`${name}: '${value}' is not between MJD ${MJD_RANGE[0]} and ${MJD_RANGE[1]} (1941 to 2132)`);
  }
  return mjd;
}

/** An MJD in TT as it is written in a field, to the millisecond. */
export function formatTime(mjd: number | null, scale: TimeScale): string {
  if (mjd === null || !Number.isFinite(mjd)) {
    return '';
  }
  if (scale === 'mjd') {
    return trimmed(mjd.toFixed(8));
  }
  if (scale === 'met') {
    return trimmed(((mjd - MET_REFERENCE) * DAY).toFixed(3));
  }
  const rounded = Math.round(mjd * DAY * 1000) / 1000 / DAY;
  const { day, seconds } = scale === 'utc' ? toUtc(mjd) : { day: Math.floor(rounded), seconds: 0 };
  return iso(day, scale === 'utc' ? seconds : (mjd - day) * DAY, scale === 'utc');
}

function iso(day: number, seconds: number, isUtc: boolean): string {
  const length = isUtc ? DAY + ttMinusUtc(day + 1) - ttMinusUtc(day) : DAY;
  let milliseconds = Math.round(seconds * 1000);
  if (milliseconds >= Math.round(length * 1000)) {
    return iso(day + 1, 0, isUtc);
  }
  milliseconds = Math.max(0, milliseconds);
  const minutes = Math.min(Math.floor(milliseconds / 60000), 24 * 60 - 1);
  const rest = (milliseconds - minutes * 60000) / 1000;
  const date = new Date((day - UNIX_EPOCH) * DAY * 1000).toISOString().slice(0, 10);
  const second = trimmed(rest.toFixed(3)).replace(/^(\d)(\.|$)/, '0$1$2');
  return `${date}T${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${second}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

// Dates and times in the product's words. Times are milliseconds since the epoch, shown in the reader's time zone.
import { t } from './i18n.ts';

const LOCALE = 'en-GB';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const clock = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit', hour12: false });
const weekdayDate = new Intl.DateTimeFormat(LOCALE, { weekday: 'long', day: 'numeric', month: 'long' });
const weekdayDateYear = new Intl.DateTimeFormat(LOCALE, {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
});
const shortDate = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short' });
const shortDateYear = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', year: 'numeric' });
const shortWeekday = new Intl.DateTimeFormat(LOCALE, { weekday: 'short' });

const startOfDay = (ms: number): number => new Date(ms).setHours(0, 0, 0, 0);
/** Whole calendar days from `ms` to `now`; rounding absorbs the hour a clock change adds or takes. */
const daysBetween = (ms: number, now: number): number => Math.round((startOfDay(now) - startOfDay(ms)) / DAY);
const sameYear = (a: number, b: number): boolean => new Date(a).getFullYear() === new Date(b).getFullYear();

/** `09:41` */
export const formatTime = (ms: number): string => clock.format(ms);
/** For `<time datetime>`. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();
/** The same calendar day where the reader is. */
export const isSameDay = (a: number, b: number): boolean => startOfDay(a) === startOfDay(b);

/** `Today`, `Yesterday`, `Thursday, 12 November`, with the year when it is another one. */
export function formatDay(ms: number, now: number): string {
  const days = daysBetween(ms, now);
  if (days === 0) return t('time.today');
  if (days === 1) return t('time.yesterday');
  const text = (sameYear(ms, now) ? weekdayDate : weekdayDateYear).format(ms);
  // ICU versions differ on the comma after the weekday; the look has one.
  return text.replace(/^(\p{L}+),? /u, '$1, ');
}

/** `12 Nov`, with the year when it is another one. */
export const formatDate = (ms: number, now: number): string =>
  (sameYear(ms, now) ? shortDate : shortDateYear).format(ms);

/** `12 Nov, 09:41`; only the time on the same day. */
export const formatDateTime = (ms: number, now: number): string =>
  isSameDay(ms, now) ? formatTime(ms) : `${formatDate(ms, now)}, ${formatTime(ms)}`;

/** `just now`, `5 min ago`, `3 h ago`; from a day on the date. */
export function formatRelative(ms: number, now: number): string {
  const past = now - ms;
  if (past < MINUTE) return t('time.justNow');
  if (past < HOUR) return t('time.minutesAgo', { n: Math.floor(past / MINUTE) });
  if (past < DAY) return t('time.hoursAgo', { n: Math.floor(past / HOUR) });
  return formatDate(ms, now);
}

/** For expiries: `in 20 min`, `in 3 h`, `in 6 days`; `expired` when it lies behind. */
export function formatUntil(ms: number, now: number): string {
  const left = ms - now;
  if (left <= 0) return t('time.expired');
  if (left < HOUR) return t('time.inMinutes', { n: Math.max(1, Math.round(left / MINUTE)) });
  if (left < 2 * DAY) return t('time.inHours', { n: Math.round(left / HOUR) });
  return t('time.inDays', { n: Math.round(left / DAY) });
}

/** For conversation lists: `09:58` today, `Wed` within a week, then `6 Nov`. */
export function formatListTime(ms: number, now: number): string {
  const days = daysBetween(ms, now);
  if (days <= 0) return formatTime(ms);
  return days < 7 ? shortWeekday.format(ms) : formatDate(ms, now);
}

/** One or two capitals for an avatar: `Nora Ellis` → `NE`, `mara` → `MA`; whole characters, so emoji survive. */
export function initialsOf(name: string): string {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter(Boolean);
  const first = [...(words[0] ?? '?')];
  const last = words.length > 1 ? [...(words.at(-1) ?? '')][0] : first[1];
  return `${first[0] ?? '?'}${last ?? ''}`.toLocaleUpperCase('en');
}

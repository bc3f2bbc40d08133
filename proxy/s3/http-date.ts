/** Times as S3 shows them. Both forms say whole seconds, so that a header and a listing of one object agree. */

const secondsPerDay = 86_400;
const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
let headerDay = Number.NaN;
let headerText = '';

/** `Sun, 06 Nov 1994 08:49:37 GMT`. Only the day needs a calendar, and what is read lately was often written on one. */
export function httpDate(us: number): string {
  const seconds = Math.floor(us / 1_000_000);
  const day = Math.floor(seconds / secondsPerDay);
  if (day !== headerDay) {
    headerText = new Date(day * secondsPerDay * 1000).toUTCString().slice(0, -12);
    headerDay = day;
  }
  const ofDay = seconds - day * secondsPerDay;
  const hour = twoDigits[Math.floor(ofDay / 3600)];
  return `${headerText}${hour}:${twoDigits[Math.floor(ofDay / 60) % 60]}:${twoDigits[ofDay % 60]} GMT`;
}

let rememberedDay = Number.NaN;
let rememberedText = '';

/** `1994-11-06T08:49:37.000Z`. Listings show thousands, so the day is rendered once for all that share it. */
export function listingDate(us: number): string {
  const seconds = Math.floor(us / 1_000_000);
  const day = Math.floor(seconds / secondsPerDay);
  if (day !== rememberedDay) {
    rememberedText = new Date(day * secondsPerDay * 1000).toISOString().slice(0, 11);
    rememberedDay = day;
  }
  const ofDay = seconds - day * secondsPerDay;
  const hour = twoDigits[Math.floor(ofDay / 3600)];
  const minute = twoDigits[Math.floor(ofDay / 60) % 60];
  return `${rememberedText}${hour}:${minute}:${twoDigits[ofDay % 60]}.000Z`;
}

/** Figures as a person reads them. A dash stands for what does not apply. */
export function perSecond(value) {
  if (value === undefined) return '–';
  return value < 10 ? digits(value) : Math.round(value).toLocaleString('en');
}

export function ratio(value, of) {
  return value === undefined || of === undefined || of === 0 ? '–' : digits(value / of);
}

export function ms(value) {
  return value === undefined ? '–' : value >= 100 ? Math.round(value).toLocaleString('en') : digits(value);
}

export function factor(value) {
  if (value === undefined || Number.isNaN(value)) return '–';
  return value === Number.POSITIVE_INFINITY ? '∞' : digits(value);
}

export function percent(share) {
  return share === undefined ? '–' : `${digits(share * 100)} %`;
}

export function bytes(value) {
  return value === undefined ? '–' : `${Math.round(value).toLocaleString('en')} B`;
}

/** Three digits, as the rounds agree to no more. */
function digits(value) {
  if (value === 0) return '0';
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(value < 0.1 ? 2 : 3);
}

// Preloaded into a journey's server: its clock goes TEST_CLOCK_SHIFT_MS ahead of the machine's. The product has no such switch.
const shiftMs = Number(process.env.TEST_CLOCK_SHIFT_MS);
const Real = Date;

globalThis.Date = class Date extends Real {
  constructor(...given) {
    if (given.length === 0) super(Real.now() + shiftMs);
    else super(...given);
  }

  static now() {
    return Real.now() + shiftMs;
  }
};

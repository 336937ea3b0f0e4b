/** Loaded before a program: its calendar is `CLOCK_SHIFT_MS` off, its timers are not. */
const shiftMs = Number(process.env.CLOCK_SHIFT_MS);
const now = () => RealDate.now() + shiftMs;
const RealDate = Date;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, values, caller) => Reflect.construct(target, values.length === 0 ? [now()] : values, caller),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
});

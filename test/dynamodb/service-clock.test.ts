import { describe, expect, it } from 'vitest';
import { ServiceClock } from '../../src/backends/dynamodb/service-clock.js';

/** Answers that come at any part of a second, after this long, to a clock that is so far off. */
function after(answers: number, offMs: number, tookMs = 20): number {
  const clock = new ServiceClock();
  for (let i = 0; i < answers; i++) {
    const serviceMs = 1_000_000 + i * 137;
    clock.note(Math.floor(serviceMs / 1_000) * 1_000 - (serviceMs + tookMs + offMs), tookMs);
  }
  return clock.correctionMs;
}

describe('the clock of the service', () => {
  it('leaves a clock alone that fits', () => {
    expect(new ServiceClock().correctionMs).toBe(0);
    for (const answers of [1, 5, 100]) {
      for (const offMs of [-100, 0, 100]) expect(Math.abs(after(answers, offMs))).toBeLessThanOrEqual(100);
    }
  });

  it('moves one that does not, to within two seconds', () => {
    for (const offMs of [-600_000, -5_000, 5_000, 86_400_000]) {
      for (const answers of [1, 5, 100]) expect(Math.abs(after(answers, offMs) + offMs)).toBeLessThanOrEqual(2_000);
    }
  });

  it('is not moved by an answer that took long: to its second belongs any moment of that time', () => {
    const clock = new ServiceClock();
    clock.note(-300, 20);
    clock.note(-10_300, 10_000);
    expect(clock.correctionMs).toBe(0);
    const slow = new ServiceClock();
    slow.note(-600_000, 600_500);
    expect(slow.correctionMs).toBe(0);
    slow.note(-5_400, 20);
    expect(slow.correctionMs).toBe(-3_400);
  });

  it('starts anew when ours is stepped', () => {
    const clock = new ServiceClock();
    clock.note(-300, 20);
    clock.note(-3_600_500, 20);
    expect(clock.correctionMs).toBe(-3_598_500);
    clock.note(-700, 20);
    expect(clock.correctionMs).toBe(0);
    clock.note(undefined, 20);
    expect(clock.correctionMs).toBe(0);
  });
});

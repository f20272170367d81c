/** Wall clock and monotonic clock of the process, in milliseconds. */
export interface ClockSources {
  /** Since the epoch; an operator, NTP or the host may set it. */
  readonly wall: () => number;
  /** Since an arbitrary start; nobody can set it. */
  readonly monotonic: () => number;
  /** Called once when the wall clock is found behind by more than the tolerance. */
  readonly onStepBack: (behindMilliseconds: number) => void;
  readonly toleranceMilliseconds?: number;
}

export interface GuardedClock {
  /** Milliseconds since the epoch; never smaller than any value it gave before. */
  readonly now: () => number;
  /** How far the wall clock is behind the time that has passed; zero when it is not. */
  readonly behindMilliseconds: () => number;
}

const TOLERANCE_MS = 2_000;

/**
 * A clock that cannot be turned back: whatever expired stays expired. Forward steps are believed, as they only
 * end things early. After a step back time goes on by the monotonic clock and an alarm is raised; many small
 * steps add up, because they are measured from the latest anchor and not from the previous call.
 */
export function guardClock(sources: ClockSources): GuardedClock {
  const tolerance = sources.toleranceMilliseconds ?? TOLERANCE_MS;
  // What the wall clock would have shown when the monotonic one was zero; it only ever grows.
  let anchor = sources.wall() - sources.monotonic();
  let latest = 0;
  let alarmed = false;

  const measure = (): number => {
    const wall = sources.wall();
    const elapsed = anchor + sources.monotonic();
    if (wall >= elapsed) {
      anchor += wall - elapsed;
      alarmed = false;
      latest = Math.max(latest, wall);
      return 0;
    }
    const behind = elapsed - wall;
    latest = Math.max(latest, behind > tolerance ? elapsed : wall);
    if (behind > tolerance && !alarmed) {
      alarmed = true;
      sources.onStepBack(Math.round(behind));
    }
    return behind;
  };

  return {
    now: () => {
      measure();
      return Math.floor(latest);
    },
    behindMilliseconds: () => {
      const behind = measure();
      return behind > tolerance ? Math.round(behind) : 0;
    },
  };
}

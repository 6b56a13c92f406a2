// The points of a job's progress: history once, then only what is new.

const MOST = 12_000;
const HISTORY = 4000;

export class Points {
  constructor(job) {
    this.job = job;
    this.iterations = [];
    this.series = new Map();
    this.rewinds = 0;
  }

  get last() {
    return this.iterations.length ? this.iterations[this.iterations.length - 1] : -1;
  }

  /** Reads the whole history, downsampled with its extremes kept; gives false when it cannot. */
  async load() {
    const rewinds = this.rewinds;
    let told;
    try {
      const answer = await fetch(`/v1/jobs/${this.job}/progress?maxPoints=${HISTORY}`);
      if (!answer.ok) return false;
      told = await answer.json();
    } catch {
      return false;
    }
    // What was told may be of a past that was not kept.
    if (rewinds !== this.rewinds) return this.load();
    const [iterations, series] = [this.iterations, Object.fromEntries(this.series)];
    this.iterations = [];
    this.series = new Map();
    this.append(told.iterations, told.series);
    // And these came while it was on its way.
    this.append(iterations, series);
    return true;
  }

  /** Adds points behind the last one; those already known are passed over. */
  append(iterations, series) {
    const from = iterations.findIndex((iteration) => iteration > this.last);
    if (from < 0) return;
    for (const name of Object.keys(series)) {
      if (!this.series.has(name)) this.series.set(name, new Array(this.iterations.length).fill(null));
    }
    for (const [name, column] of this.series) {
      const fresh = series[name] ?? new Array(iterations.length).fill(null);
      for (let place = from; place < iterations.length; place++) column.push(fresh[place]);
    }
    for (let place = from; place < iterations.length; place++) this.iterations.push(iterations[place]);
  }

  /** Forgets the points from an iteration on: a new attempt went back to it. */
  rewind(iteration) {
    this.rewinds += 1;
    let keep = this.iterations.length;
    while (keep > 0 && this.iterations[keep - 1] >= iteration) keep--;
    this.iterations.length = keep;
    for (const column of this.series.values()) column.length = keep;
  }

  /** Whether so much has come that history should be read again, downsampled. */
  get isFull() {
    return this.iterations.length > MOST;
  }
}

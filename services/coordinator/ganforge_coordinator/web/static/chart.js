// The losses, drawn: each as it was, faintly, with its trend above; a legend with the values.

const HEIGHT = 340;
const TREND_SHARE = 40; // the trend's memory is one fortieth of the run
const TREND_FROM = 120; // points; a shorter run is its own trend

export class LossChart {
  constructor(root, legend, labels) {
    this.root = root;
    this.legend = legend;
    this.labels = labels;
    this.hidden = new Set();
    this.options = { trend: true, log: false };
    this.isZoomed = false;
    this.mark = null;
    this.onzoom = () => {};
    this.pending = false;
    new ResizeObserver(() => this.#resize()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.rebuild());
  }

  /** Shows points; draws once a frame, however often it is called. */
  show(points) {
    this.points = points;
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.#draw();
    });
  }

  /** Marks the iteration that the grid on show belongs to. */
  markIteration(iteration) {
    this.mark = iteration;
    this.plot?.redraw(false);
  }

  set(option, value) {
    this.options[option] = value;
    this.rebuild();
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    if (this.points) this.#draw();
  }

  showWhole() {
    this.isZoomed = false;
    this.onzoom();
    this.plot?.setData(this.#data(), true);
  }

  #draw() {
    if (!this.points.iterations.length) return;
    const names = [...this.points.series.keys()].join();
    if (names !== this.names) {
      this.names = names;
      this.#buildLegend();
      this.plot?.destroy();
      this.plot = null;
    }
    if (this.plot) this.plot.setData(this.#data(), !this.isZoomed);
    else this.#build();
    if (this.isZoomed) this.plot.redraw();
    this.#readOut(null);
  }

  #data() {
    const { iterations, series } = this.points;
    const positive = (column) => column.map((value) => (value > 0 ? value : null));
    const columns = [...series.values()].map((c) => (this.options.log ? positive(c) : c));
    const trends = columns.map((column) => (this.#hasTrend ? trend(iterations, column) : []));
    return [iterations, ...columns, ...(this.#hasTrend ? trends : [])];
  }

  get #hasTrend() {
    return this.options.trend && this.points.iterations.length > TREND_FROM;
  }

  #build() {
    document.getElementById("chart-none")?.remove();
    const names = [...this.points.series.keys()];
    this.builtWithTrend = this.#hasTrend;
    const ink = getComputedStyle(this.legend).color;
    const lines = getComputedStyle(this.root).borderTopColor;
    const axis = {
      stroke: ink,
      grid: { stroke: lines, width: 1 },
      ticks: { stroke: lines, width: 1, size: 5 },
      font: "12px system-ui, sans-serif",
    };
    const line = (name, index, isTrend) => ({
      label: name,
      show: !this.hidden.has(name),
      stroke: getComputedStyle(this.#swatch(index)).backgroundColor,
      width: isTrend || !this.builtWithTrend ? 2 : 1,
      alpha: isTrend || !this.builtWithTrend ? 1 : 0.28,
      dash: index === 2 && (isTrend || !this.builtWithTrend) ? [7, 4] : undefined,
      points: { show: false },
      spanGaps: true,
    });
    this.plot = new uPlot(
      {
        width: this.root.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        padding: [10, 14, 0, 0],
        cursor: { points: { size: 7 }, y: false },
        scales: {
          x: { time: false },
          y: this.options.log ? { distr: 3 } : {},
        },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map((tick) => whole(tick)), incrs: STEPS, size: 34 },
          { ...axis, size: 54 },
        ],
        series: [
          {},
          ...names.map((name, index) => line(name, index, false)),
          ...(this.builtWithTrend ? names.map((name, index) => line(name, index, true)) : []),
        ],
        hooks: {
          setCursor: [(plot) => this.#readOut(plot.cursor.idx)],
          setSelect: [
            () => {
              this.isZoomed = true;
              this.onzoom();
            },
          ],
          draw: [(plot) => this.#drawMark(plot, ink)],
        },
      },
      this.#data(),
      this.root,
    );
  }

  #drawMark(plot, ink) {
    if (this.mark === null) return;
    const x = Math.round(plot.valToPos(this.mark, "x", true));
    const { left, top, width, height } = plot.bbox;
    if (x < left || x > left + width) return;
    const { ctx } = plot;
    ctx.save();
    ctx.strokeStyle = ink;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.restore();
  }

  #buildLegend() {
    const names = [...this.points.series.keys()];
    this.legend.replaceChildren(
      ...names.map((name, index) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "key";
        button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
        button.title = `Show or hide ${name}`;
        const swatch = document.createElement("i");
        swatch.className = `swatch swatch-${index % 6}`;
        const label = document.createElement("span");
        label.textContent = this.label(name);
        const value = document.createElement("output");
        button.append(swatch, label, value);
        button.addEventListener("click", () => this.#toggle(name, button));
        return button;
      }),
    );
  }

  /** Names a series as people say it. */
  label(name) {
    const isGan = this.points.series.has("dLossReal") || this.points.series.has("dLossFake");
    if (name === "minibatchLoss" && !isGan) return "minibatch loss";
    return this.labels[name] ?? name;
  }

  #toggle(name, button) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
    this.rebuild();
  }

  #swatch(index) {
    return this.legend.children[index].querySelector(".swatch");
  }

  /** Writes the values under the pointer, or else the newest, into the legend. */
  #readOut(place) {
    const at = place ?? this.points.iterations.length - 1;
    [...this.points.series.values()].forEach((column, index) => {
      const output = this.legend.children[index]?.querySelector("output");
      if (output) output.textContent = number(column[at]);
    });
    this.legend.dataset.at = place === null || place === undefined ? "" : whole(this.points.iterations[at]);
    if (this.plot && this.builtWithTrend !== this.#hasTrend) this.rebuild();
  }

  #resize() {
    if (this.plot) this.plot.setSize({ width: this.root.clientWidth, height: HEIGHT });
  }
}

const STEPS = [1, 2, 5].flatMap((step) => [...Array(9)].map((_, power) => step * 10 ** power)).sort((a, b) => a - b);

/** A running mean whose memory is a share of the run, over points that need not be evenly spaced. */
function trend(iterations, column) {
  const memory = (iterations[iterations.length - 1] - iterations[0]) / TREND_SHARE || 1;
  let mean = null;
  let weight = 0;
  let before = iterations[0];
  return column.map((value, place) => {
    if (value === null) return null;
    const fade = Math.exp(-Math.max(1, iterations[place] - before) / memory);
    before = iterations[place];
    weight = weight * fade + (1 - fade);
    mean = (mean ?? 0) * fade + value * (1 - fade);
    return mean / weight;
  });
}

export function whole(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 0 });
}

export function number(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5)) {
    const digits = Math.abs(value) < 10 ? 4 : Math.abs(value) < 100 ? 3 : 1;
    return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }
  return value.toPrecision(3);
}

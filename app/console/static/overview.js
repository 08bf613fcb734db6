// Draws what data-chart says into the place that is kept for it. The table below says the same.
"use strict";
(() => {
  const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 2]];
  const HEIGHT = 190;
  const drawn = new Map();

  const written = (unit) => (value) => {
    if (value === null || value === undefined) return "–";
    if (unit === "share") return `${+(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;
    if (unit === "usd") return `$${value < 0.01 ? value.toFixed(4) : value.toFixed(2)}`;
    if (unit === "ms") return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
    return unit === "score" ? value.toFixed(2) : String(Math.round(value));
  };

  const colour = (element, name) => getComputedStyle(element).getPropertyValue(name);

  // A colour of ours at some opacity, as a canvas takes it.
  const faint = (rgb, alpha) => rgb.replace(/^rgb\(([^)]*)\)$/, `rgba($1, ${alpha})`);

  // All of the range from 0 on, so that a small change does not look like a large one.
  const range = (unit) => (_plot, _low, high) => {
    const least = { share: 0.05, score: 1, count: 4, ms: 10, usd: 0.001 }[unit];
    const most = unit === "share" || unit === "score" ? 1 : Infinity;
    return [0, Math.min(Math.max((high || 0) * 1.1, least), most)];
  };

  const marks = (chart, ink) => ({
    hooks: {
      draw: (plot) => {
        const { ctx, bbox } = plot;
        ctx.save();
        ctx.strokeStyle = ink;
        ctx.lineWidth = devicePixelRatio;
        for (const mark of chart.marks) {
          const at = plot.valToPos(mark.at, "x", true);
          if (at < bbox.left || at > bbox.left + bbox.width) continue;
          ctx.setLineDash(mark.isChange ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio]);
          ctx.beginPath();
          ctx.moveTo(at, bbox.top);
          ctx.lineTo(at, bbox.top + bbox.height);
          ctx.stroke();
          if (mark.isChange) {
            ctx.fillStyle = ink;
            ctx.beginPath();
            ctx.arc(at, bbox.top + 4 * devicePixelRatio, 4 * devicePixelRatio, 0, 2 * Math.PI);
            ctx.fill();
          }
        }
        ctx.restore();
      },
    },
  });

  const draw = (place) => {
    const [[first, step, count], lines, marked] = JSON.parse(place.dataset.chart);
    const chart = {
      unit: place.dataset.unit,
      times: Array.from({ length: count }, (_, at) => first + at * step),
      series: lines.map(([values, low, high]) => ({ values, low, high })),
      marks: marked.map(([at, isChange]) => ({ at, isChange })),
    };
    const card = place.closest(".chart-card");
    const swatches = [...card.querySelectorAll(".swatch:not(.mark)")];
    const names = swatches.map((each) => each.parentElement.textContent.trim());
    const ink = colour(card.querySelector(".hint"), "color");
    const line = colour(card, "border-top-color");
    const say = written(chart.unit);
    const data = [chart.times];
    const series = [{}];
    const bands = [];
    chart.series.forEach((each, at) => {
      const stroke = colour(swatches[at], "color");
      data.push(each.values);
      series.push({
        stroke, width: 2, dash: DASHES[at], spanGaps: false,
        points: { show: each.values.filter((one) => one !== null).length < 40, size: 5, fill: stroke },
      });
      if (each.low) {
        data.push(each.high, each.low);
        const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: false };
        series.push(edge, { ...edge });
        bands.push({ series: [series.length - 2, series.length - 1], fill: faint(stroke, lines.length > 2 ? 0.07 : 0.12) });
      }
    });
    const readout = card.querySelector(".readout");
    const isLong = chart.times.at(-1) - chart.times[0] > 2 * 86400;
    const clock = (_plot, ticks) => ticks.map((at) => new Date(at * 1e3).toISOString().slice(...(isLong ? [5, 10] : [11, 16])));
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
    const options = {
      width: place.clientWidth, height: HEIGHT, series, bands,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
      scales: { y: { range: range(chart.unit) } },
      axes: [{ ...axis, values: clock, size: 30 }, { ...axis, size: 62, values: (_plot, ticks) => ticks.map(say) }],
      plugins: [marks(chart, ink)],
      hooks: {
        setCursor: [(plot) => {
          const at = plot.cursor.idx;
          if (at === null || at === undefined) { readout.textContent = ""; return; }
          const time = new Date(chart.times[at] * 1e3).toISOString().slice(5, 16).replace("T", " ");
          const values = chart.series.map((each, one) => `${names[one]} ${say(each.values[at])}`);
          readout.textContent = `${time} · ${values.join(" · ")}`;
        }],
      },
    };
    drawn.get(place)?.destroy();
    drawn.set(place, new uPlot(options, data, place));
  };

  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);
  const resized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const plot = drawn.get(target);
      if (plot && Math.round(plot.width) !== Math.round(contentRect.width)) {
        plot.setSize({ width: contentRect.width, height: HEIGHT });
      }
    }
  });
  drawAll();
  document.querySelectorAll("[data-chart]").forEach((each) => resized.observe(each));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();

"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const map = document.getElementById("map");
  const curves = document.getElementById("curves");
  const slider = document.getElementById("time");
  const play = document.getElementById("play");
  const follow = document.getElementById("follow");
  const moments = data.moments;
  const first = data.map.data.findIndex((trace) => trace.name === data.moved[0]);
  const moved = data.moved.map((_, i) => first + i);
  const options = { responsive: true, scrollZoom: true, displaylogo: false };
  let timer = null;

  // Outline of a dart at [x, y, yaw], as x and y.
  function dart(pose, size) {
    if (pose === null) return [[], []];
    const corners = [[1, 0], [-0.7, 0.6], [-0.35, 0], [-0.7, -0.6], [1, 0]];
    const c = Math.cos(pose[2]) * size, s = Math.sin(pose[2]) * size;
    return [
      corners.map(([u, v]) => pose[0] + c * u - s * v),
      corners.map(([u, v]) => pose[1] + s * u + c * v),
    ];
  }

  function show(index) {
    const now = moments[index];
    const cloud = now.cloud === null ? { x: [], y: [] } : data.clouds[now.cloud];
    const width = map.layout.xaxis.range[1] - map.layout.xaxis.range[0];
    const truth = dart(now.truth, 0.02 * width);
    const ahead = [Math.cos(now.pose[2]), Math.sin(now.pose[2])].map((v) => 0.04 * width * v);
    const modes = now.modes;
    const drawn = [
      cloud,
      {
        x: modes.map((m) => m[0]),
        y: modes.map((m) => m[1]),
        text: modes.map((m) => Math.round(100 * m[2]) + " %"),
        size: modes.map((m) => 10 + 30 * Math.sqrt(m[2])),
      },
      { x: [now.pose[0], now.pose[0] + ahead[0]], y: [now.pose[1], now.pose[1] + ahead[1]] },
      { x: [now.pose[0]], y: [now.pose[1]] },
      { x: truth[0], y: truth[1] },
    ];
    drawn.forEach(function (points, i) {
      const trace = map.data[moved[i]];
      trace.x = points.x;
      trace.y = points.y;
      if (points.text) {
        trace.text = points.text;
        trace.marker.size = points.size;
      }
    });
    Plotly.redraw(map);
    if (follow.checked) {
      const half = 0.5 * width;
      const tall = 0.5 * (map.layout.yaxis.range[1] - map.layout.yaxis.range[0]);
      Plotly.relayout(map, {
        "xaxis.range": [now.pose[0] - half, now.pose[0] + half],
        "yaxis.range": [now.pose[1] - tall, now.pose[1] + tall],
      });
    }
    const line = { type: "line", xref: "x", yref: "paper", y0: 0, y1: 1, x0: now.travelled,
      x1: now.travelled, line: { color: "#22262b", width: 1 } };
    Plotly.relayout(curves, { shapes: data.curves.layout.shapes.concat([line]) });
    const age = now.cloud === null ? 0 : now.seconds - cloud.seconds;
    const stale = age > 0.05 ? " (drawn: those of " + age.toFixed(1) + " s before)" : "";
    const error = now.error === null ? "" : ", error " + now.error.toFixed(2) + " m";
    document.getElementById("now").innerHTML =
      '<span class="state" style="background:' + data.colours[now.state] + '">' + now.state +
      "</span> " + now.seconds.toFixed(1) + " s, " + now.travelled.toFixed(0) + " m, " +
      now.particles + " particles" + stale + error;
    slider.value = index;
  }

  function step() {
    const next = Number(slider.value) + 1;
    if (next >= moments.length) { stop(); return; }
    show(next);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "play";
  }

  slider.max = moments.length - 1;
  data.curves.layout.shapes = data.curves.layout.shapes || [];
  Promise.all([
    Plotly.newPlot(map, data.map.data, data.map.layout, options),
    Plotly.newPlot(curves, data.curves.data, data.curves.layout, options),
  ]).then(function () {
    slider.addEventListener("input", () => show(Number(slider.value)));
    play.addEventListener("click", function () {
      if (timer !== null) { stop(); return; }
      if (Number(slider.value) >= moments.length - 1) show(0);
      play.textContent = "stop";
      timer = setInterval(step, 100);
    });
    curves.on("plotly_click", function (event) {
      const at = event.points[0].x;
      let best = 0;
      moments.forEach((m, i) => {
        if (Math.abs(m.travelled - at) < Math.abs(moments[best].travelled - at)) best = i;
      });
      show(best);
    });
    // "report.html#30" opens at the moment 30, others at the end.
    const wanted = parseInt(location.hash.slice(1), 10);
    show(wanted >= 0 && wanted < moments.length ? wanted : moments.length - 1);
    document.body.dataset.ready = "yes";
  });
})();

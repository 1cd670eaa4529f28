// What one person saw and heard over time, as an SVG: a mark for every picture, a line for sound, the steps above.
const [WIDTH, LEFT, ROW] = [960, 90, 46];

export function plot(scenario, { began, ended, seen }) {
  const from = began - 2_000;
  const x = (at) => LEFT + ((at - from) / (ended - from)) * (WIDTH - LEFT - 20);
  const rows = [];
  const people = seen.map((one, n) => [['Ana', 'Bo', 'Cy'][n], one]).filter(([, one]) => one);
  let y = 60;
  for (const [name, one] of people) {
    for (const times of Object.values(one.frames)) {
      const marks = times.filter((at) => at >= from && at <= ended).map((at) => `M${x(at).toFixed(1)} ${y}v24`);
      rows.push(`<text x="4" y="${y + 16}">${name} sees</text><path class="see" d="${marks.join('')}"/>`);
      y += ROW - 10;
    }
    const heard = one.audio.filter(([at, n], i) => i > 0 && at >= from && at <= ended && n > one.audio[i - 1][1]);
    rows.push(`<text x="4" y="${y + 16}">${name} hears</text><path class="hear" d="${heard.map(([at]) => `M${x(at).toFixed(1)} ${y}v24`).join('')}"/>`);
    y += ROW;
  }
  const steps = scenario.steps.map(({ at, do: what }) => {
    const where = x(began + at * 1_000).toFixed(1);
    return `<path class="step" d="M${where} 40V${y - 10}"/><text x="${where}" y="34">${what.replaceAll('_', ' ')}</text>`;
  });
  const ticks = [];
  for (let s = -2; began + s * 1_000 <= ended; s += Math.ceil((ended - from) / 12_000)) {
    ticks.push(`<text class="tick" x="${x(began + s * 1_000).toFixed(1)}" y="${y + 8}">${s} s</text>`);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 20}" font-family="sans-serif" font-size="12">
<style>text{fill:#333}.see{stroke:#2563eb;stroke-width:1}.hear{stroke:#16a34a;stroke-width:2}.step{stroke:#dc2626;stroke-dasharray:4 3}.tick{fill:#777}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>
<text x="4" y="16" font-weight="bold">${scenario.id}: ${scenario.title}</text>
${rows.join('\n')}
${steps.join('\n')}
${ticks.join('\n')}
</svg>
`;
}

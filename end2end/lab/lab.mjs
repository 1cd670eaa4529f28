// The lab: `node end2end/lab/lab.mjs [--long] [--plain] [--only A1,B1] [--times n] [--table]` plays scenario files and says what people
// experienced. Fails if a figure is missed or a canary did not sing.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missing } from './network.mjs';
import { plot } from './plot.mjs';
import { longForm, play } from './scenario.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const flags = process.argv.slice(2);
const has = (name) => flags.includes(name);
const only = flags[flags.indexOf('--only') + 1]?.split(',');
const given = Number(flags[flags.indexOf('--times') + 1]);
const out = join(here, 'out');

const at = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(values.length * share) - 1)] ?? 0;

// What docs/RESULTS.md shows: a line for each figure that a scenario is judged by.
function table(rows) {
  const lines = ['| scenario | n | figure | p50 | p95 | worst |', '|---|---|---|---|---|---|'];
  for (const { scenario, runs } of rows) {
    for (const [name, limits] of Object.entries(scenario.pass)) {
      const values = runs.map(({ figures }) => figures[name]);
      const least = 'min' in limits && !('max' in limits);
      const cells = values.every((value) => typeof value === 'number')
        ? [at(values, 0.5), at(values, 0.95), least ? Math.min(...values) : Math.max(...values)]
        : [`${values.filter((value) => value === limits.all).length} of ${values.length}`, '', ''];
      lines.push(`| ${scenario.id} ${scenario.title} | ${runs.length} | ${name} | ${cells.join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

function judge(scenario, runs, strict) {
  const lines = [];
  let ok = true;
  for (const [name, limits] of Object.entries(scenario.pass)) {
    const values = runs.map(({ figures }) => figures[name]);
    for (const [what, limit] of Object.entries(limits)) {
      const value = { min: Math.min(...values.map(Number)), p50: at(values, 0.5), p95: at(values, 0.95), max: Math.max(...values.map(Number)), all: values.every((one) => one === limit) }[what];
      // The short form runs beside whatever else this machine does.
      const kept = what === 'all' ? value : what === 'min' ? value >= limit : value <= limit * (strict ? 1 : 2);
      ok &&= kept;
      lines.push(`${kept ? 'ok ' : 'NOT'} ${name} ${what} ${what === 'all' ? values.join(' ') : `${value} (limit ${limit})`}`);
    }
  }
  if (!runs.every(({ figures }) => figures.canary)) {
    ok = false;
    lines.push('NOT the canary: the fault was not there');
  }
  return { ok, lines };
}

const why = missing();
if (why) {
  console.log(`The lab did not run: ${why}.`);
  process.exit(has('--must') ? 1 : 0);
}
mkdirSync(out, { recursive: true });
const files = readdirSync(join(here, 'scenarios')).filter((file) => file.endsWith('.json')).sort();
const scenarios = files.map((file) => JSON.parse(readFileSync(join(here, 'scenarios', file), 'utf8')));
const chosen = scenarios.filter(({ id }) => !has('--only') || only.includes(id)).map((one) => (has('--long') ? longForm(one) : one));
const rows = [];
const played = [];
let failed = 0;
for (const scenario of chosen) {
  const times = given > 0 ? given : has('--long') ? scenario.times.long : scenario.times.short;
  console.log(`${scenario.id}: ${scenario.title} (n=${times})`);
  try {
    let runs = await play(scenario, { times, plain: has('--plain'), log: console.log });
    let { ok, lines } = judge(scenario, runs, has('--long'));
    for (const line of lines) console.log(`  ${line}`);
    if (!ok && !has('--long') && !has('--plain')) {
      // The short form shares the machine with whatever else runs: a figure is missed if it is missed twice.
      console.log('  once more');
      runs = await play(scenario, { times, log: console.log });
      ({ ok, lines } = judge(scenario, runs, false));
      for (const line of lines) console.log(`  ${line}`);
    }
    failed += ok || has('--plain') ? 0 : 1;
    played.push({ scenario, runs });
    rows.push({ id: scenario.id, n: times, plain: has('--plain'), figures: runs.map(({ figures }) => figures) });
    if (scenario.plot) writeFileSync(join(out, `${scenario.id}${has('--plain') ? '-plain' : ''}.svg`), plot(scenario, runs.at(-1)));
  } catch (error) {
    failed += 1;
    console.log(`  NOT played: ${error.stack}`);
  }
}
writeFileSync(join(out, has('--plain') ? 'plain.json' : 'results.json'), JSON.stringify(rows, null, 1));
if (has('--table')) console.log(table(played));
console.log(`${chosen.length - failed} of ${chosen.length} scenarios passed`);
process.exit(failed > 0 ? 1 : 0);

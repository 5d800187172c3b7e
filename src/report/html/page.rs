//! The parts of the page that are always the same. The script only hides, sorts and
//! counts rows that are there, and makes no markup.

/// The resources that the page may load: none. Style and script are its own.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Colors repeat what a word says.
pub(super) const STYLE: &str = "\
:root { color-scheme: light dark; --text: #1b1b1f; --back: #ffffff; --soft: #f3f3f6; --line: #c9c9d0; --deny: #a3001f;
  --warn: #7a4a00; --patch: #005a9c; --link: #0047b3; }
@media (prefers-color-scheme: dark) {
  :root { --text: #ececf1; --back: #17171b; --soft: #232329; --line: #4a4a55; --deny: #ff8f9c; --warn: #f2c063;
    --patch: #8cc8ff; --link: #9cc2ff; }
}
body { margin: 0 auto; max-width: 110rem; padding: 1rem; color: var(--text); background: var(--back);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.2; }
a { color: var(--link); }
code { font-family: ui-monospace, monospace; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.note { border-left: 4px solid var(--warn); padding: .25rem .75rem; background: var(--soft); }
.counts { display: flex; flex-wrap: wrap; gap: .5rem 1rem; margin: 0; }
.counts div { min-width: 6rem; padding: .5rem .75rem; background: var(--soft); border: 1px solid var(--line); }
.counts dt { font-size: .9rem; }
.counts dd { margin: 0; font-size: 1.5rem; font-weight: 600; }
ul.tree, .tree ul { list-style: none; padding-left: 1.25rem; }
ul.tree { padding-left: 0; }
summary { cursor: pointer; }
.state, .deny, .warn, .patch { font-weight: 600; }
.running, .deny { color: var(--deny); }
.pending, .unknown, .warn { color: var(--warn); }
.patch { color: var(--patch); }
.codes { font-family: ui-monospace, monospace; }
.controls { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end; margin: .5rem 0; }
.controls[hidden] { display: none; }
.controls label { display: flex; flex-direction: column; }
input, select, th button { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line);
  padding: .25rem .5rem; }
th button { width: 100%; text-align: left; font-weight: 600; background: transparent; border: 0; padding: 0; cursor: pointer; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid var(--line); padding: .35rem .5rem; text-align: left; vertical-align: top;
  min-width: 5rem; }
thead th { background: var(--soft); }
tbody th { font-weight: 400; min-width: 11rem; }
td:nth-child(6) { min-width: 18rem; }
td:nth-child(4), td:nth-child(7) { min-width: 9rem; }
@page { size: landscape; margin: 12mm; }
@media print {
  body { max-width: none; padding: 0; color: #000; background: #fff; font-size: 9pt; }
  .controls { display: none; }
  .wide { overflow: visible; }
  th, td, tbody th, td:nth-child(4), td:nth-child(6), td:nth-child(7) { min-width: 4em; }
  td:nth-child(6) { width: 34%; }
  td:nth-child(7) { width: 17%; }
  tr, li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  details::details-content { content-visibility: visible; height: auto; }
}
";

/// Filter and count of the findings; hidden where no script runs.
pub(super) const CONTROLS: &str = "\
<div class=\"controls\" id=\"controls\" hidden>
<label>Filter<input type=\"search\" id=\"filter\" autocomplete=\"off\" aria-controls=\"table\"></label>
<label>Action<select id=\"action\" aria-controls=\"table\">
<option value=\"\">all</option><option>deny</option><option>patch</option><option>warn</option>
</select></label>
<p id=\"shown\" role=\"status\"></p>
</div>
";

/// Filters and sorts.
pub(super) const SCRIPT: &str = "\
'use strict';
(() => {
  const table = document.getElementById('table');
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const filter = document.getElementById('filter');
  const action = document.getElementById('action');
  const shown = document.getElementById('shown');
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const update = () => {
    const words = filter.value.toLowerCase().split(' ').filter((word) => word);
    let count = 0;
    for (const row of rows) {
      const fits = words.every((word) => texts.get(row).includes(word))
        && (!action.value || row.dataset.action === action.value);
      row.hidden = !fits;
      if (fits) count += 1;
    }
    shown.textContent = count + ' of ' + rows.length + ' findings';
  };
  const rank = { deny: 0, patch: 1, warn: 2 };
  const key = (row, column) => {
    const text = row.cells[column].textContent.trim();
    return column === 0 ? String(rank[text]) : text.toLowerCase();
  };
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    head.textContent = '';
    head.append(button);
    button.addEventListener('click', () => {
      const up = head.getAttribute('aria-sort') !== 'ascending';
      for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const sorted = rows.slice().sort((one, other) => key(one, column).localeCompare(key(other, column), 'en', { numeric: true }));
      if (!up) sorted.reverse();
      body.append(...sorted);
    });
  });
  filter.addEventListener('input', update);
  action.addEventListener('change', update);
  document.getElementById('controls').hidden = false;
  update();
})();
";

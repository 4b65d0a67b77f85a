/** One self-contained page: no script, no font, no picture from anywhere else. */
import type { Html } from './html.ts'
import { html, raw } from './html.ts'
import type { RunRecord } from './record.ts'
import type { Section } from './sections.ts'
import { stateOf, tiles } from './sections.ts'
import { style } from './style.ts'

const part = (s: Section): Html =>
  html`<section id="${s.id}">
    <h2>${s.title}</h2>
    ${s.body}
  </section> `

/** The whole page. */
export const page = (r: RunRecord, sections: ReadonlyArray<Section>, written: string): string => {
  const state = stateOf(r)
  return html`${raw('<!doctype html>')}
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:" />
        <title>${r.name}: report of a run</title>
        <style>
          ${raw(style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${r.name}</h1>
          <p><span class="badge ${state.kind}">${state.text}</span> <span class="note">${r.folder}</span></p>
          <nav>${sections.map((s) => html`<a href="#${s.id}">${s.title}</a>`)}</nav>
          ${tiles(r)}
        </header>
        <main>${sections.map(part)}</main>
        <footer>Written ${written} by dinograph. The page needs no network.</footer>
      </body>
    </html> `.text
}

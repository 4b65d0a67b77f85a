/** One self-contained page: no script, no font, no picture from anywhere else. */
import type { Html } from './html.ts'
import { html, nothing, raw } from './html.ts'
import type { RunRecord } from './record.ts'
import type { Section } from './sections.ts'
import { stateOf, tiles } from './sections.ts'
import { style } from './style.ts'

const part = (s: Section): Html =>
  html`<section id="${s.id}">
    <h2>${s.title}</h2>
    ${s.body}
  </section> `

/** What a page shows. */
export interface Page {
  readonly title: string
  readonly heading: string
  /** Below the heading, above the links to sections; and below these. */
  readonly above: Html
  readonly below?: Html
  readonly sections: ReadonlyArray<Section>
  readonly written: string
}

/** Now, as pages say it. */
export const writtenNow = (): string =>
  new Date()
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')

/** A page as a file. */
export const document = ({ title, heading, above, below = nothing, sections, written }: Page): string =>
  html`${raw('<!doctype html>')}
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:" />
        <title>${title}</title>
        <style>
          ${raw(style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${heading}</h1>
          ${above}
          <nav>${sections.map((s) => html`<a href="#${s.id}">${s.title}</a>`)}</nav>
          ${below}
        </header>
        <main>${sections.map(part)}</main>
        <footer>Written ${written} by dinograph. The page needs no network.</footer>
      </body>
    </html> `.text

/** The page of a run. */
export const page = (r: RunRecord, sections: ReadonlyArray<Section>, written: string): string => {
  const state = stateOf(r)
  return document({
    title: `${r.name}: report of a run`,
    heading: r.name,
    above: html`<p><span class="badge ${state.kind}">${state.text}</span> <span class="note">${r.folder}</span></p>`,
    below: tiles(r),
    sections,
    written,
  })
}

/** HTML as values: what is put into a template is escaped, unless it is HTML itself. */
import { shownText } from '../../../core/text.ts'

export interface Html {
  readonly _tag: 'Html'
  readonly text: string
}

export type Part = Html | string | number | ReadonlyArray<Html>

/** Text that is HTML already: SVG of a renderer, a style sheet. */
export const raw = (text: string): Html => ({ _tag: 'Html', text })

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text for the inside of an element or of a quoted attribute. */
export const escaped = (text: string): string => shownText(text).replaceAll(/[&<>"']/g, (c) => escapes[c])

const isList = (p: Part): p is ReadonlyArray<Html> => Array.isArray(p)

const textOf = (p: Part): string =>
  typeof p === 'string' || typeof p === 'number' ? escaped(String(p)) : isList(p) ? p.map((h) => h.text).join('') : p.text

/** A template: strings and numbers are escaped, lists of HTML are joined. */
export const html = (strings: TemplateStringsArray, ...parts: ReadonlyArray<Part>): Html =>
  raw(strings.map((s, i) => s + (i < parts.length ? textOf(parts[i]) : '')).join(''))

export const nothing: Html = raw('')

/** HTML where something holds. */
export const when = (holds: boolean, h: () => Html): Html => (holds ? h() : nothing)

/** A command as it is typed: an option is not broken within its dashes. */
export const typed = (command: string): Html => {
  const words = command.split(/(?<= )/).map((w) => (w.startsWith('-') ? html`<span class="option">${w}</span>` : html`${w}`))
  return html`<code>${words}</code>`
}

/** What takes much height: it stands open on wide screens; on narrow ones its summary opens it, unless it is `open` to begin with. */
export const fold = (summary: string, body: Html, open = false): Html =>
  html`<details class="fold" ${raw(open ? ' open' : '')}>
    <summary>${summary}</summary>
    ${body}
  </details>`

type Cell = string | number | Html

const isNumber = (c: Cell): boolean => typeof c === 'number' || (typeof c === 'string' && /^[-+]?[\d.]+(e[-+]?\d+)?( %)?$/.test(c))

/** Rows with the columns of the first; numbers stand to the right. Wide tables scroll in their own frame. */
export const table = (
  rows: ReadonlyArray<Readonly<Record<string, Cell>>>,
  names: ReadonlyArray<string> = Object.keys(rows[0] ?? {}),
): Html =>
  html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${names.map((n) => html`<th${raw(rows.every((r) => isNumber(r[n] ?? '')) ? ' class="number"' : '')}>${n}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (r) =>
            html`<tr>
              ${names.map((n) => html`<td${raw(isNumber(r[n] ?? '') ? ' class="number"' : '')}>${r[n] ?? ''}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`

/** Names and what they are, one a line. */
export const facts = (pairs: ReadonlyArray<readonly [string, Cell]>): Html =>
  html`<dl>
    ${pairs.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`

/** The page of a run while it goes on: what its folder holds by now, whatever state that is in. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import { showFault, unexpected } from '../../../core/fault.ts'
import { summaryIn } from '../../run/environment.ts'
import { clock } from '../../run/log/numbers.ts'
import { draw } from './chart.ts'
import { html } from './html.ts'
import type { Page } from './page.ts'
import { document, writtenNow } from './page.ts'
import { pageOf } from './report.ts'

/** A page, and the seconds after which it is worth another look. */
export interface Live {
  readonly text: string
  readonly again: number
}

/** Seconds between two looks: at a run that goes on, at one that has not begun, and at one that has ended, which may be gone on with. */
const every = { going: 5, waiting: 2, ended: 30 }

/** A page may take this share of a processor from the training that it shows. */
const share = 0.05

const plain = (heading: string, above: Page['above']): string =>
  document({ title: heading, heading, above, sections: [], written: writtenNow() })

const waiting = (folder: string): Live => ({
  text: plain('No run yet', html`<p class="note">In ${folder} no run has begun. The page looks again by itself.</p>`),
  again: every.waiting,
})

/** A folder that cannot be read now: half a file, or none of ours. */
const unread = (folder: string, f: Fault): Live => ({
  text: plain(
    'Not readable now',
    html`<p class="note">The folder ${folder} cannot be read. The page looks again by itself.</p>
      <pre>${showFault(f)}</pre>`,
  ),
  again: every.going,
})

/** When a file was last written; undefined where there is none. */
const writtenAt = async (path: string): Promise<number | undefined> => {
  try {
    return (await stat(path)).mtimeMs
  } catch {
    return undefined
  }
}

/** The page that the run has written itself when it ended, with its pictures: no older than its summary. */
const ownPage = async (folder: string): Promise<Live | undefined> => {
  const path = join(folder, 'report.html')
  const [report, summary] = [await writtenAt(path), await writtenAt(summaryIn(folder))]
  return report === undefined || summary === undefined || report < summary
    ? undefined
    : { text: await readFile(path, 'utf8'), again: every.ended }
}

/** The page of the run in a folder as it is now. */
export const livePage = async (folder: string): Promise<Live> => {
  try {
    if ((await writtenAt(join(folder, 'config.yaml'))) === undefined) return waiting(folder)
    const own = await ownPage(folder)
    if (own !== undefined) return own
    // libraries are loaded once, which says nothing of the next page
    const ready = await draw([])()
    if (E.isLeft(ready)) return unread(folder, ready.left)
    const begun = clock()
    const text = await pageOf(folder, [])()
    if (E.isLeft(text)) return unread(folder, text.left)
    return { text: text.right, again: Math.max(every.going, Math.ceil((clock() - begun) / share)) }
  } catch (e) {
    return unread(folder, unexpected(e))
  }
}

/** The same for any number of readers: drawn anew no sooner than it is worth another look. */
export const livePages = (folder: string, now: () => number = clock): (() => Promise<Live>) => {
  let last: { readonly at: number; readonly page: Promise<Live> } | undefined
  return async () => {
    const known = last
    if (known !== undefined) {
      const { again } = await known.page
      // half of it: a reader that comes back when it was told to finds a new one
      if (now() - known.at < again / 2 || last !== known) return (last ?? known).page
    }
    last = { at: now(), page: livePage(folder) }
    return last.page
  }
}

/** Lines that are said before a run has a progress of its own. */
import { launchedBy } from '../../../compiler/targets/native/ranks/launcher.ts'
import { shownText } from '../../../core/text.ts'
import { isNote } from './progress.ts'

/** Says a line, where no other rank says it, and where the command line does not ask for notes alone. */
export const sayLine = (text: string): void => {
  if ((launchedBy(process.env)?.rank ?? 0) > 0 || (process.argv.includes('--quiet') && !isNote(text))) return
  process.stderr.write(`${shownText(text)}\n`)
}

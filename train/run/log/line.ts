/** Lines that are said before a run has a progress of its own. */
import { launchedBy } from '../../../compiler/targets/native/ranks/launcher.ts'
import { shownText } from '../../../core/text.ts'

/** Says a line, where no other rank says it. */
export const sayLine = (text: string): void => {
  if ((launchedBy(process.env)?.rank ?? 0) === 0) process.stderr.write(`${shownText(text)}\n`)
}

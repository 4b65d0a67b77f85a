/** What a person reads: nothing in it makes a terminal do something, and nothing of it is a secret. */
import { shownText, withoutSecrets } from '../../core/text.ts'

const shown = (text: string): string => `${withoutSecrets(process.env)(shownText(text))}\n`

/** A line of results, on stdout. */
export const print = (text: string): void => {
  process.stdout.write(shown(text))
}

/** A line about what goes on, or of a fault, on stderr. */
export const tell = (text: string): void => {
  process.stderr.write(shown(text))
}

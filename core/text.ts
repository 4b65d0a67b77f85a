/** Text that comes from outside (file names, labels, messages, addresses) as it is shown to a person. */

/**
 * Control characters but the end of a line and the tab: a terminal obeys them. And what turns the direction of a text, or is nothing, so
 * that a name looks like another one.
 */
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

const code = (c: string): string => {
  const hex = c.charCodeAt(0).toString(16)
  // in JSON those below 32 are codes already, and of the others it knows this form alone
  return c < ' ' ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`
}

/** Text with what a terminal would obey as codes: `a\x1b[2Jb`. */
export const shownText = (text: string): string => text.replace(obeyed, code)

/** A name on one line: ends of lines and tabs are codes too. */
export const shownName = (name: string): string => shownText(name).replace(/[\n\t]/g, (c) => (c === '\n' ? '\\n' : '\\t'))

/** Text in which addresses have no user and password: `https://***@host/`. */
export const masked = (text: string): string => text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#'"<>]*@/gi, '$1***@')

/** Names of variables of the environment that hold secrets: HF_TOKEN, MLFLOW_TRACKING_PASSWORD, AWS_SECRET_ACCESS_KEY. */
const secretNames = /(?:TOKEN|PASSWORD|PASSWD|SECRET|API_?KEY|ACCESS_?KEY)$/i

/** Shorter ones are words that stand anywhere. */
const leastSecret = 6

/** Text without passwords: those of addresses, and the values of variables of the environment that are called so. */
export const withoutSecrets =
  (environment: Readonly<Record<string, string | undefined>>) =>
  (text: string): string =>
    Object.entries(environment).reduce(
      (t, [name, value]) => (secretNames.test(name) && value !== undefined && value.length >= leastSecret ? t.replaceAll(value, '***') : t),
      masked(text),
    )

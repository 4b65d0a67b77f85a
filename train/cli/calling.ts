/** How a function is called, as it says itself: the names of what it takes, one list after the other where it is curried. */

const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** Where the bracket that opens at `from` closes; texts in between are skipped. Undefined where it does not. */
const closeOf = (text: string, from: number): number | undefined => {
  const open: Array<string> = []
  let at = from
  while (at < text.length) {
    const c = text[at]
    if (c === '"' || c === "'" || c === '`') {
      do at += text[at] === '\\' ? 2 : 1
      while (at < text.length && text[at] !== c)
    } else if (closing[c] !== undefined) open.push(closing[c])
    else if (c === open.at(-1)) {
      open.pop()
      if (open.length === 0) return at
    }
    at++
  }
  return undefined
}

/** Code whose spaces were taken away, as a person writes it; texts stay as they are. */
const spaced = (code: string): string =>
  code
    .split(/("[^"]*"|'[^']*'|`[^`]*`)/)
    .map((part, i) =>
      i % 2 === 1
        ? part
        : part
            .replaceAll(/\s+/g, ' ')
            .replaceAll(/ ?, ?/g, ', ')
            .replaceAll(/ ?(?<![=!<>])=(?![=>]) ?/g, ' = ')
            .replaceAll(/\{ ?(?=[^ }])/g, '{ ')
            .replaceAll(/(?<=[^ {]) ?\}/g, ' }'),
    )
    .join('')
    .trim()

/** The list of an arrow function that the code begins with, and what is behind its arrow. */
const arrowOf = (code: string): readonly [list: string, rest: string] | undefined => {
  const text = code.trimStart().replace(/^async\b\s*/, '')
  const bare = /^([\w$]+)\s*=>/.exec(text)
  if (bare !== null) return [`(${bare[1]})`, text.slice(bare[0].length)]
  const end = text.startsWith('(') ? closeOf(text, 0) : undefined
  const arrow = end === undefined ? null : /^\s*=>/.exec(text.slice(end + 1))
  return end === undefined || arrow === null ? undefined : [text.slice(0, end + 1), text.slice(end + 1 + arrow[0].length)]
}

const listsIn = (code: string): ReadonlyArray<string> => {
  const found = arrowOf(code)
  return found === undefined ? [] : [spaced(found[0]), ...listsIn(found[1])]
}

/** The lists of what a function takes: `(axis, batch = 0)`, `(x, index)`. None where it does not say: classes, functions of the engine. */
export const listsOf = (f: (...words: never) => unknown): ReadonlyArray<string> => {
  const code = String(f)
  const named = /^(?:async\s+)?function\b\s*[\w$]*\s*(?=\()/.exec(code)
  if (named === null) return listsIn(code)
  const end = closeOf(code, named[0].length)
  return end === undefined || /\[native code\]/.test(code) ? [] : [spaced(code.slice(named[0].length, end + 1))]
}

/** Lines of programs: which of a stack is the user's own. */

/** A path without the codes of addresses; as it is, where it has a percent sign of its own. */
const decoded = (address: string): string => {
  try {
    return decodeURIComponent(address)
  } catch {
    return address
  }
}

/** A place of a stack line as a path: stacks write `file:///a%20b.ts` and `/a b.ts` for the same file. */
const asPath = (place: string): string =>
  (place.startsWith('file://') ? decoded(place.slice('file://'.length)) : place).replaceAll('\\', '/').replace(/^\/(?=[A-Za-z]:)/, '')

const libraryRoot = asPath(new URL('..', import.meta.url).href)

/** What stands beside the library's rooms in a checkout: programs of users. */
const users = ['examples/', 'spec/']

const isOwn = (path: string): boolean => path.startsWith(libraryRoot) && !users.some((u) => path.startsWith(u, libraryRoot.length))

/** The `path:line:column` of one stack line, where it has one. */
const placeOf = (line: string): string =>
  asPath(/^at (?:.*? \()(.+:\d+:\d+)\)$/.exec(line)?.[1] ?? /^at (?:async )?(.+:\d+:\d+)$/.exec(line)?.[1] ?? '')

/** The first line of a stack that lies outside of the library: the user's own, however deep the library stands on it. */
export const userLine = (stack: string): string | undefined =>
  stack
    .split('\n')
    .map((l) => placeOf(l.trim()))
    .find((p) => p !== '' && !isOwn(p) && !/^node:|\/node_modules\/|^<anonymous>/.test(p))

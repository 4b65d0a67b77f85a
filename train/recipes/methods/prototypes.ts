/** Where the prototypes of heads are in a network that has them by name. */
import { join } from '../../../core/tree.ts'

export const prototypesOf = (heads: Readonly<Record<string, { readonly prototypes?: string } | undefined>>): ReadonlyArray<string> =>
  Object.entries(heads).flatMap(([name, head]) => (head?.prototypes === undefined ? [] : [join(name, head.prototypes)]))

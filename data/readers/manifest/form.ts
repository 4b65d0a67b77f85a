/** What the four numbers of a box are: a corner and two sides, or two corners. */
export type BoxForm = 'sides' | 'corners'

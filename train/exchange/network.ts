/** Which network of a pair: the moving average, or the one that is trained. */
export const networks = ['teacher', 'student'] as const

export type Network = (typeof networks)[number]

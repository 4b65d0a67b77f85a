/** Which network of a pair: the moving average, or the one that is trained. */
export type Network = 'teacher' | 'student'

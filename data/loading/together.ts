/** Reading many images without holding too many at once: their size is only known when they are read. */

/** Numbers of images as they are read that are held together: 256 MiB. */
const room = 2 ** 26

/**
 * Results in the order of `items`. Begins one by one: first one, then twice as many as before, at most as many as there is room for by the
 * largest so far, which `one` reports in numbers (`took`). So a batch of photographs of 20 million pixels does not take the memory of the
 * machine, and one of digits is read at once.
 */
export const together = async <A, B>(
  items: ReadonlyArray<A>,
  one: (item: A, took: (numbers: number) => void) => Promise<B>,
): Promise<ReadonlyArray<B>> => {
  const all: B[] = []
  let [count, largest] = [1, 1]
  const took = (numbers: number): void => {
    largest = Math.max(largest, numbers)
  }
  while (all.length < items.length) {
    const part = items.slice(all.length, all.length + count)
    all.push(...(await Promise.all(part.map((item) => one(item, took)))))
    count = Math.max(1, Math.min(2 * count, 1024, Math.floor(room / largest)))
  }
  return all
}

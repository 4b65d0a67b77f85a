"""Steps of a peer, timed: what every peer answers with."""
import resource
import time


def timed(run, steps):
    """Seconds of every step by the clock and by the processor, losses, peak memory; `run` runs a step and says its loss."""
    seconds, cpu, losses = [], [], []
    for _ in range(steps):
        start, used = time.perf_counter(), time.process_time()
        losses.append(run())
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {'seconds': seconds, 'cpu': cpu, 'loss': losses, 'peak_rss_mb': peak}

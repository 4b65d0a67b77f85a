"""What both peers share: digits, their k-NN, and the clock of a training, which stands while the network is judged."""
import json
import time

import numpy as np
import torch

TRAIN = 8000


def digits(folder):
    """Images [10000, 28, 28] of bytes, and labels: as beside.ts writes them, the last 2,000 to test."""
    images = np.fromfile(f'{folder}/images.u8', np.uint8).reshape(-1, 28, 28)
    return images, torch.from_numpy(np.fromfile(f'{folder}/labels.u8', np.uint8).astype(np.int64))


def knn(features, labels, k=20, temperature=0.07):
    """The share of right answers: neighbours by cosine, each with the weight exp(cosine / temperature) (Wu et al. 2018)."""
    features = torch.nn.functional.normalize(features.flatten(1), dim=1)
    near, which = (features[TRAIN:] @ features[:TRAIN].T).topk(k)
    votes = torch.zeros(len(near), int(labels.max()) + 1).scatter_add_(1, labels[:TRAIN][which], (near / temperature).exp())
    return (votes.argmax(1) == labels[TRAIN:]).float().mean().item()


def begun(network):
    """First values as examples/dinov2 has them: blocks of 0.1, positions of 1."""
    for name, p in network.named_parameters():
        if name == 'pos_embed' or ('blocks.' in name and p.dim() == 2):
            torch.nn.init.trunc_normal_(p, std=1 if name == 'pos_embed' else 0.1)
    return network


class Watch:
    """Prints a line of JSON for each look at the network: steps, seconds of training until then, k-NN."""

    def __init__(self, embed, folder, mean, std, steps, looks):
        images, self.labels = digits(folder)
        self.images = torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1)
        self.embed, self.mean, self.std = embed, torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
        self.at = {max(1, round(steps * (i + 1) / looks)) for i in range(looks)}
        self.done, self.seconds, self.since = 0, 0.0, 0.0

    def start(self):
        self.look()
        self.since = time.perf_counter()

    def step(self):
        self.done += 1
        if self.done not in self.at:
            return
        self.seconds += time.perf_counter() - self.since
        self.look()
        self.since = time.perf_counter()

    @torch.no_grad()
    def look(self):
        parts = [self.embed((part / 255 - self.mean) / self.std) for part in self.images.split(500)]
        print(json.dumps({'step': self.done, 'seconds': self.seconds, 'knn': knn(torch.cat(parts), self.labels)}), flush=True)

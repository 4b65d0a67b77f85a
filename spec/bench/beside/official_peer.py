"""DINO of the official code (a checkout of facebookresearch/dino) on digits, with its classes and schedules and a loop for processors:
`python3 official_peer.py CHECKOUT defaults|ours FOLDER STEPS SEED LOOKS`."""
import sys
import tempfile

import torch
import torch.distributed as dist
from torchvision import transforms as T

from judging import TRAIN, Watch, begun, digits

CHECKOUT, SETTINGS, FOLDER = sys.argv[1:4]
STEPS, SEED, LOOKS = map(int, sys.argv[4:7])
sys.path.insert(0, CHECKOUT)
import utils
from main_dino import DINOLoss
from vision_transformer import DINOHead, VisionTransformer

BATCH = 64
OURS = SETTINGS == 'ours'
MEAN, STD = (0.1307,) * 3, (0.3081,) * 3
torch.manual_seed(SEED)


def changes(blurred, solarized=0.0):
    """After a crop: what main_dino.py does to photographs, or what examples/dinov2 does to digits."""
    blur = T.RandomApply([T.GaussianBlur(5, (0.1, 1.5 if OURS else 2.0))], 0.5 if OURS else blurred)
    photographs = [] if OURS else [T.RandomHorizontalFlip(), T.RandomApply([T.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8), T.RandomGrayscale(0.2)]
    return T.Compose([*photographs, blur, *([] if OURS else [T.RandomSolarize(128, solarized)]), T.ToTensor(), T.Normalize(MEAN, STD)])


def crop(size, scale, *after):
    turned = [T.RandomAffine(20, shear=17)] if OURS else []
    return T.Compose([*turned, T.RandomResizedCrop(size, scale, interpolation=T.InterpolationMode.BICUBIC), *after])


locals_ = 2 if OURS else 8
views = [
    crop(28, (0.6, 1.0) if OURS else (0.4, 1.0), changes(1.0)),
    crop(28, (0.6, 1.0) if OURS else (0.4, 1.0), changes(0.1, 0.2)),
    *[crop(21, (0.5, 0.9) if OURS else (0.05, 0.4), changes(0.5))] * locals_,
]


class Digits(torch.utils.data.Dataset):
    def __init__(self):
        self.images = [T.functional.to_pil_image(x).convert('RGB') for x in digits(FOLDER)[0][:TRAIN]]

    def __len__(self):
        return TRAIN

    def __getitem__(self, i):
        return [view(self.images[i]) for view in views]


def network():
    backbone = VisionTransformer(img_size=[28], patch_size=7, embed_dim=128, depth=3, num_heads=4, qkv_bias=True)
    if OURS:
        begun(backbone)
    head = DINOHead(128, 512, False, False, hidden_dim=128, bottleneck_dim=64) if OURS else DINOHead(128, 1024)
    return utils.MultiCropWrapper(backbone, head)


with tempfile.NamedTemporaryFile() as f:
    dist.init_process_group('gloo', init_method=f'file://{f.name}', rank=0, world_size=1)
    per_epoch = TRAIN // BATCH
    epochs = -(-STEPS // per_epoch)
    student, teacher = network(), network()
    teacher.load_state_dict(student.state_dict())
    for p in teacher.parameters():
        p.requires_grad = False
    cool = 0.02 if OURS else 0.04
    loss_of = DINOLoss(512 if OURS else 1024, 2 + locals_, cool, cool, 0, epochs)
    optimizer = torch.optim.AdamW(utils.get_params_groups(student))
    # of whole steps, where main_dino.py counts epochs
    rate = utils.cosine_scheduler(2e-3 if OURS else 5e-4 * BATCH / 256, 1e-5 if OURS else 1e-6, STEPS, 1, STEPS // 10)
    decay = utils.cosine_scheduler(0.04, 0.04 if OURS else 0.4, STEPS, 1)
    momentum = utils.cosine_scheduler(0.96 if OURS else 0.996, 1, STEPS, 1)
    watch = Watch(lambda x: teacher.backbone(x), FOLDER, MEAN, STD, STEPS, LOOKS)
    loader = torch.utils.data.DataLoader(Digits(), BATCH, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)
    teacher.eval()
    watch.start()
    step = 0
    for epoch in range(epochs):
        for images in loader:
            if step == STEPS:
                break
            for i, group in enumerate(optimizer.param_groups):
                group['lr'] = rate[step]
                if i == 0:
                    group['weight_decay'] = decay[step]
            with torch.no_grad():
                targets = teacher(images[:2])
            loss = loss_of(student(images), targets, epoch)
            optimizer.zero_grad()
            loss.backward()
            utils.clip_gradients(student, 3.0)
            utils.cancel_gradients_last_layer(step // max(1, STEPS // 10), student, 1)
            optimizer.step()
            with torch.no_grad():
                for q, k in zip(student.parameters(), teacher.parameters()):
                    k.data.mul_(momentum[step]).add_((1 - momentum[step]) * q.detach().data)
            step += 1
            watch.step()

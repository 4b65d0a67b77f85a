"""lightly-train's DINO or DINOv2 on digits: `python3 lightly_peer.py dino|dinov2 defaults|ours FOLDER STEPS SEED LOOKS`."""
import math
import os
import sys
import tempfile

os.environ['LIGHTLY_TRAIN_EVENTS_DISABLED'] = '1'
import lightly_train
import torch
from lightly_train._callbacks import callback_helpers
from lightly_train._models.dinov2_vit.dinov2_vit_src.models.vision_transformer import DinoVisionTransformer
from PIL import Image
from pytorch_lightning import Callback

from judging import TRAIN, Watch, begun, digits

METHOD, SETTINGS, FOLDER = sys.argv[1:4]
STEPS, SEED, LOOKS = map(int, sys.argv[4:7])
BATCH = 64
torch.manual_seed(SEED)

# the network and the sizes of examples/dinov2
network = DinoVisionTransformer(img_size=28, patch_size=7, embed_dim=128, depth=3, num_heads=4, init_values=0.1, block_chunks=0)
normalize = {'mean': (0.1307,) * 3, 'std': (0.3081,) * 3}
transform = {'image_size': (28, 28), 'normalize': normalize, 'local_view': {'view_size': (21, 21)}}
if SETTINGS == 'ours':
    begun(network)
    blur = {'prob': 0.5, 'sigmas': (0.1, 1.5)}
    transform |= {
        'random_resize': {'min_scale': 0.6, 'max_scale': 1.0},
        'random_flip': None,
        'random_rotation': {'prob': 1.0, 'degrees': 20.0},
        'color_jitter': None,
        'random_gray_scale': None,
        'gaussian_blur': blur,
        'global_view_1': {'gaussian_blur': blur, 'solarize': None},
        'local_view': {'num_views': 2, 'view_size': (21, 21), 'random_resize': {'min_scale': 0.5, 'max_scale': 0.9}, 'gaussian_blur': blur},
    }

warmup = STEPS // 10
shared = {'output_dim': 512, 'hidden_dim': 128, 'momentum_start': 0.96, 'weight_decay_end': 0.04, 'student_freeze_last_layer_steps': warmup,
          'warmup_steps': warmup, 'reference_batch_size': BATCH}
ours = {
    'dino': shared | {'bottleneck_dim': 64, 'norm_last_layer': False, 'teacher_temp': 0.02, 'warmup_teacher_temp': 0.02,
                      'warmup_teacher_temp_steps': warmup},
    'dinov2': shared | {'dino_bottleneck_dim': 64, 'ibot_bottleneck_dim': 64, 'center_method': 'sinkhorn_knopp', 'teacher_temp_start': 0.015,
                        'teacher_temp_end': 0.015, 'teacher_temp_warmup_steps': warmup, 'min_lr': 1e-5},
}
# at their own lengths defaults suit a hundred times as many steps: of DINOv2 as many shares of these, and prototypes as DINO has by itself
defaults = {'dino': {}, 'dinov2': {'output_dim': 1024, 'warmup_steps': warmup, 'student_freeze_last_layer_steps': STEPS // 100,
                                   'teacher_temp_warmup_steps': 3 * warmup}}


class Watching(Callback):
    def on_train_start(self, trainer, method):
        def embed(x):
            model = method.teacher_embedding_model.wrapped_model
            return model.forward_pool(model.forward_features(x))['pooled_features'].flatten(1)

        self.watch = Watch(embed, FOLDER, normalize['mean'], normalize['std'], STEPS, LOOKS)
        self.watch.start()

    def on_train_batch_end(self, trainer, method, *_):
        was = method.training
        method.eval()
        self.watch.step()
        method.train(was)
        if self.watch.done == STEPS:
            os._exit(0)  # what would be written is not asked for


# arguments are written down as JSON, which a callback among them would not be
callback_helpers.get_callbacks = lambda **_: [Watching()]

with tempfile.TemporaryDirectory() as out:
    os.mkdir(f'{out}/images')
    for i, x in enumerate(digits(FOLDER)[0][:TRAIN]):
        Image.fromarray(x).convert('RGB').save(f'{out}/images/{i:05}.png')
    lightly_train.pretrain(
        out=f'{out}/run',
        data=f'{out}/images',
        model=network,
        method=METHOD,
        method_args=(ours if SETTINGS == 'ours' else defaults)[METHOD],
        epochs=math.ceil(STEPS / (TRAIN // BATCH)),
        batch_size=BATCH,
        num_workers=2,
        devices=1,
        accelerator='cpu',
        seed=SEED,
        optim='adamw',
        optim_args={'lr': 2e-3, 'weight_decay': 0.04} if SETTINGS == 'ours' else {},
        transform_args=transform,
        trainer_args={'max_steps': STEPS, 'enable_checkpointing': False, 'enable_progress_bar': False, 'logger': False},
    )

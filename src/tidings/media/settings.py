"""Settings of the media service: `TIDINGS_MEDIA_<NAME>` or the file's `[media]` table."""

from tidings.platform.settings import Common, Positive, Seconds


class Settings(Common, kw_only=True, frozen=True):
    """Sizes in pixels or bytes, times in seconds."""

    url_lifetime_s: Positive = 600  # contract: signed URLs live 10 min

    part_bytes: Positive = 8 * 1024 * 1024  # of an upload in parts; S3 takes 5 MB and more
    open_uploads: Positive = 50  # in parts, of one person at a time

    # The child process that decodes pictures. Its limits are what a hostile file can cost.
    workers: Positive = 2  # children at a time: the machine has two cores
    queue: Positive = 64  # uploads waiting for a child; beyond: `overloaded`
    max_pixels: Positive = 50_000_000  # a phone's largest photo; decoded it takes 4 bytes each
    max_animation_pixels: Positive = 80_000_000  # all frames of a GIF or WebP together
    thumbnail_pixels: Positive = 320  # its longer side
    worker_memory_bytes: Positive = 1 << 30
    worker_cpu_s: Positive = 20
    worker_timeout_s: Seconds = 40.0  # by the wall clock, as CPU time stands still while swapping
    answer_within_s: Seconds = 6.0  # an upload is answered `processing` after this, and told by media.updated

    # What a killed process or a client that went away left behind.
    sweep_interval_s: Seconds = 60.0
    pending_timeout_s: Positive = 3600  # an upload that never ended
    parts_timeout_s: Positive = 86_400  # one in parts that nobody went on with
    processing_timeout_s: Positive = 300  # well past worker_timeout_s and the queue
    processing_tries: Positive = 3
    orphan_interval_s: Seconds = 86_400.0  # it lists the whole bucket
    orphan_age_s: Positive = 86_400

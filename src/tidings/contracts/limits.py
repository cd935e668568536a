"""Every limit and rate a client meets (contract section 1). Operators change them in the `[limits]` table or by
`TIDINGS_LIMITS_<NAME>`; `GET /api/v1/config` tells them."""

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1)]

MAX_INT = 2**53 - 1
"""Bound of every integer a client sends: what JSON readers and BSON both hold exactly."""

Seq = Annotated[int, Meta(ge=0, le=MAX_INT)]
Lifetime = Annotated[int, Meta(ge=0, le=366 * 86_400)]  # seconds; 0: as long as the chat says


class Limits(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """Sizes and counts; times in seconds."""

    text_chars: Count = 8192
    client_id_chars: Count = 64
    group_members: Count = 1024
    group_name_chars: Count = 100
    group_description_chars: Count = 2048
    user_name_chars: Count = 64
    user_about_chars: Count = 140
    mentions: Count = 64
    poll_options_min: Count = 2
    poll_options_max: Count = 12
    poll_option_chars: Count = 100
    edit_window_s: Count = 15 * 60
    delete_window_s: Count = 48 * 3600
    read_ids: Count = 500
    presence_ids: Count = 256
    sessions: Count = 10
    pinned_messages: Count = 3
    forward_items: Count = 100
    contact_sync_call: Count = 1000
    contact_sync_day: Count = 5000
    body_bytes: Bytes = 256 * 1024
    frame_bytes: Bytes = 64 * 1024
    image_bytes: Bytes = 16 * 1024 * 1024
    audio_bytes: Bytes = 16 * 1024 * 1024
    video_bytes: Bytes = 64 * 1024 * 1024
    document_bytes: Bytes = 100 * 1024 * 1024
    upload_bytes: Bytes = 16 * 1024 * 1024  # of one multipart form; larger files go in parts


class Rates(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """How often; `burst` is the size of the bucket."""

    ip_per_second: Count = 300
    ip_burst: Count = 600
    ip_sockets_per_second: Count = 200
    user_per_second: Count = 100
    user_burst: Count = 200
    socket_frames_per_second: Count = 500
    socket_frames_burst: Count = 1000
    otp_per_ip_hour: Count = 20
    otp_per_phone_hour: Count = 10

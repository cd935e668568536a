"""Changes to messages as the log applies them: each is a conditional update that may be repeated at will."""

from tidings.message import log
from tidings.message.log import Document
from tidings.message.store import EMPTIED


def update(d: Document) -> tuple[Document, Document]:
    """The (filter, update) that applies the change entry `d` to its message.

    The guard is per field and per person, not per message: two people's reactions written by two instances may be
    applied in either order, and neither may undo the other.
    """
    target, seq, user = d["targetId"], d["seq"], d["senderId"]
    match d["change"]:
        case log.EDIT:
            return (
                {"_id": target, "deletedAt": {"$exists": False}, "editSeq": {"$not": {"$gte": seq}}},
                {"$set": {"content": d["content"], "text": d.get("text", ""), "editedAt": d["at"], "editSeq": seq}},
            )
        case log.DELETE:
            return (
                {"_id": target, "deletedAt": {"$exists": False}},
                {
                    "$set": {"content": None, "deletedAt": d["at"], "deletedBy": user, "deleteSeq": seq},
                    "$unset": EMPTIED,
                },
            )
        case log.REACTION:
            field = f"reactions.{user}"
            return (
                {"_id": target, "deletedAt": {"$exists": False}, f"{field}.seq": {"$not": {"$gte": seq}}},
                {"$set": {field: {"emoji": d.get("emoji"), "seq": seq}}},
            )
        case log.VOTE:
            field = f"ballots.{user}"
            return (
                {"_id": target, "deletedAt": {"$exists": False}, f"{field}.seq": {"$not": {"$gte": seq}}},
                {"$set": {field: {"options": d["options"], "seq": seq}}},
            )
        case _:
            return (
                {"_id": target, "pinSeq": {"$not": {"$gte": seq}}},
                {"$set": {"pinned": bool(d.get("pinned")), "pinSeq": seq}},
            )

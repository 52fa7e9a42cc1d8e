"""What people ask about their own data, with the legal clock: access, export, correction, erasure, withdrawal.

Access, export and withdrawal are carried out at once; correction and erasure wait for a person of the console until the
end of the second working day. Duty: Law 91/2025/QH15, decree 356/2025/NĐ-CP. The person's side is ``members.asking``, the
console's is ``members.handling``; other rooms use this module.
"""

from __future__ import annotations

from members.asking import (
    BY_A_PERSON,
    CORRECTABLE,
    KINDS,
    ON_BEHALF,
    STATES,
    OwnRequest,
    Receipt,
    ReceiptState,
    RequestError,
    open_on_behalf,
    open_request,
    own_requests,
    receipt_of_message,
    receipt_state,
)
from members.handling import (
    CONFIRMATION,
    GROUNDS,
    RequestCounts,
    RequestLine,
    RequestPage,
    RequestView,
    Wish,
    complete,
    counts,
    find,
    list_requests,
    refuse,
    view_request,
)
from members.working_days import due

__all__ = [
    "BY_A_PERSON",
    "CONFIRMATION",
    "CORRECTABLE",
    "GROUNDS",
    "KINDS",
    "ON_BEHALF",
    "STATES",
    "OwnRequest",
    "Receipt",
    "ReceiptState",
    "RequestCounts",
    "RequestError",
    "RequestLine",
    "RequestPage",
    "RequestView",
    "Wish",
    "complete",
    "counts",
    "due",
    "find",
    "list_requests",
    "open_on_behalf",
    "open_request",
    "own_requests",
    "receipt_of_message",
    "receipt_state",
    "refuse",
    "view_request",
]

//! Completion codes.

reasons! { "MQCC_"
    0 OK "The call did what was asked.";
    1 WARNING "The call did a part of what was asked; the reason code says which.";
    2 FAILED "The call did nothing of what was asked; the reason code says why.";
}

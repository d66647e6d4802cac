//! Every line that an operator can be shown: id, severity, text, explanation, response.

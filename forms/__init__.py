"""Everything that is asked step by step: definition, state, validation, next step.

``definition`` says what a form is, ``steps`` are the kinds of questions, ``engine`` leads somebody through a form in a
conversation. Pure of channels: what is said comes back as ``engine.Said``.
"""

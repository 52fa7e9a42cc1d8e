"""Everything that is asked step by step: definition, state, validation, next step."""

"""The profile: traits and facets with what is known of their certainty; as page, picture, file."""

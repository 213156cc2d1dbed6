"""The web application: questionnaire, profile, alignment, chat, studies, control."""

"""The model room: decoders, where their heads are, and personas laid onto them.

Nothing is imported here, so that reading a persona's files needs no torch:
`from personalign.model.decoder import Decoder`, `from personalign.model.persona import Persona`.
"""

"""The configuration: YAML files in, one frozen `Config` or every mistake with its place out.

Rules: nothing here knows how a source is polled or how a message is sent. The journey of a file is

    files.read          bytes → trees (`yaml`, `tree`), all files as one document
    texts.Texts         references to secrets in texts → `SecretText`
    validate.validate   one part → its model, which lives with what it configures; or problems with
                        their places
    references          what the parts say about each other, which validators ask
    load                all of it, in the right order → `Config` (`model`)
    outline             the names, the store and the secrets alone, for commands → `Outline`

Importing the package costs nothing: most commands read files with `outline`, which needs no model, no
plug-in and no rule.
"""

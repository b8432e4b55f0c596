"""What can go wrong with a deployment."""


class DeploymentFailed(Exception):
    """CloudFormation refused a template or could not make a resource; the message is fit to be shown as it is."""

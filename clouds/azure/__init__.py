"""The counter on Azure."""
